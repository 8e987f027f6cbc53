//! A connection Secret as libpq reads it. Pure.
//!
//! Known keys: those of CloudNativePG (`host`, `port`, `dbname`, `username`, `user`, `password`), of Crunchy's operator
//! (the same), libpq's own (`PGHOST`, …), `sslmode`, and certificates (`ca.crt`, `tls.crt`, `tls.key`).

use std::collections::BTreeMap;

/// The variable of libpq, and the keys that may say it, the first that is there.
const VARIABLES: [(&str, &[&str]); 6] = [
    ("PGHOST", &["PGHOST", "host"]),
    ("PGPORT", &["PGPORT", "port"]),
    ("PGDATABASE", &["PGDATABASE", "dbname", "database"]),
    ("PGUSER", &["PGUSER", "username", "user"]),
    ("PGPASSWORD", &["PGPASSWORD", "password"]),
    ("PGSSLMODE", &["PGSSLMODE", "sslmode"]),
];

/// Files that libpq takes by their path.
const FILES: [&str; 3] = ["ca.crt", "tls.crt", "tls.key"];

/// Files of a run (`connection/PGHOST`, …) from a Secret's values. A host without a dot is a Service in the tenant's
/// namespace, which has to be named in full from another one.
///
/// # Errors
/// Which keys are missing.
pub fn files(secret: &BTreeMap<String, String>, namespace: &str) -> Result<BTreeMap<String, String>, String> {
    let mut files = BTreeMap::new();
    let mut missing = Vec::new();
    for (variable, keys) in VARIABLES {
        let found = keys
            .iter()
            .find_map(|key| secret.get(*key))
            .map(|text| text.trim())
            .filter(|text| !text.is_empty());
        match found {
            Some(host) if variable == "PGHOST" && !host.contains(['.', ':', '/']) => {
                files.insert(path(variable), format!("{host}.{namespace}.svc"));
            }
            Some(text) => {
                files.insert(path(variable), text.to_owned());
            }
            None if matches!(variable, "PGHOST" | "PGDATABASE" | "PGUSER") => missing.push(keys[1]),
            None => {}
        }
    }
    for file in FILES {
        files.extend(secret.get(file).map(|text| (path(file), text.clone())));
    }
    match missing.as_slice() {
        [] => Ok(files),
        _ => Err(format!("has no {}; a connection needs host, dbname and user", missing.join(", no "))),
    }
}

fn path(name: &str) -> String {
    format!("connection/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_secret_of_cloudnativepg_is_right_as_it_is() {
        let secret = map(&[
            ("host", "app-rw"),
            ("port", "5432"),
            ("dbname", "app"),
            ("username", "app"),
            ("user", "app"),
            ("password", "p"),
            ("uri", "postgresql://app:p@app-rw:5432/app"),
            ("pgpass", "x"),
        ]);
        let wanted = map(&[
            ("connection/PGHOST", "app-rw.acme.svc"),
            ("connection/PGPORT", "5432"),
            ("connection/PGDATABASE", "app"),
            ("connection/PGUSER", "app"),
            ("connection/PGPASSWORD", "p"),
        ]);
        assert_eq!(files(&secret, "acme"), Ok(wanted));
    }

    #[test]
    fn addresses_and_full_names_stay_and_what_is_missing_is_named() {
        for host in ["10.1.2.3", "db.example.com", "fd00::1"] {
            let secret = map(&[("host", host), ("dbname", "app"), ("user", "app"), ("ca.crt", "PEM")]);
            let files = files(&secret, "acme").unwrap();
            assert_eq!(
                (files["connection/PGHOST"].as_str(), files["connection/ca.crt"].as_str()),
                (host, "PEM")
            );
        }
        let problem = files(&map(&[("password", "p"), ("host", " ")]), "acme").unwrap_err();
        assert!(problem.starts_with("has no host, no dbname, no username"), "{problem}");
    }
}

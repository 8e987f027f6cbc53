//! The operator's image, and what its Containerfile says of it: the packed one says the same.

use std::path::{Path, PathBuf};

use super::{ImageConfig, oci_layout, program_files};
use crate::error::{Error, Result, io};
use crate::programs::repository_root;

/// Where systems keep the certificates that they trust, as one file.
const CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Packs the operator's image under this name, from its program and this machine's libraries and certificates, and
/// returns its digest. What `charts/Containerfile` makes, without an engine.
///
/// # Errors
/// As [`oci_layout`] and [`program_files`], or this machine has no certificates.
pub fn operator_image(name: &str, program: &Path, out: &Path) -> Result<String> {
    let containerfile = repository_root().join("charts/Containerfile");
    let config = image_config(&containerfile, name)?;
    let place = config.entrypoint.first().map(String::as_str).unwrap_or_default();
    let mut files = program_files(place, program)?;
    let certificates = CERTIFICATES.iter().map(PathBuf::from).find(|path| path.is_file());
    let certificates = certificates.ok_or(Error::Missing {
        program: "a file with trusted certificates",
        get: "install your system's package of them (Debian, Alpine, Fedora: ca-certificates)",
    })?;
    files.push((CERTIFICATES[0].to_owned(), certificates, 0o644));
    files.push(("/usr/bin/restic".to_owned(), crate::programs::stores::restic()?, 0o755));
    oci_layout(&files, &config, out)
}

/// `USER`, `ENV` and `ENTRYPOINT` of a Containerfile's last stage; one `ENV` a line, `ENTRYPOINT` as JSON.
///
/// # Errors
/// The file can't be read, or its last stage leaves out `USER` or `ENTRYPOINT`.
pub fn image_config(containerfile: &Path, name: &str) -> Result<ImageConfig> {
    let text = std::fs::read_to_string(containerfile).map_err(io("read", containerfile))?;
    let mut config = ImageConfig { name: name.to_owned(), ..ImageConfig::default() };
    for line in text.lines() {
        let Some((word, rest)) = line.split_once(' ') else { continue };
        match word {
            "FROM" => config = ImageConfig { name: name.to_owned(), ..ImageConfig::default() },
            "USER" => rest.trim().clone_into(&mut config.user),
            "ENV" => config.env.push(rest.trim().to_owned()),
            "ENTRYPOINT" => config.entrypoint = serde_json::from_str(rest).unwrap_or_default(),
            _ => {}
        }
    }
    let missing = if config.user.is_empty() {
        "USER"
    } else if config.entrypoint.is_empty() {
        "ENTRYPOINT [\"…\"]"
    } else {
        return Ok(config);
    };
    Err(Error::Invalid(format!("{}: the last stage has no {missing}", containerfile.display())))
}

//! Settings checked before anything starts: every way in which they can be
//! wrong without asking the server.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::address::Address;
use super::error::SourceError;
use super::known_hosts::HostKeys;
use super::protocol::Login;
use super::settings::{CommitId, Credentials, Reference, Settings};
use super::text;
use crate::validate::folders::{self, Folders, Unusable};

/// Settings that passed.
pub(super) struct Checked {
    pub address: Address,
    /// Value of the `Authorization` header.
    pub authorization: Option<String>,
    /// How to log in when the address is one of SSH.
    pub login: Option<Login>,
}

/// Checks url, reference, credentials and CA.
pub(super) fn check(settings: &Settings) -> Result<Checked, SourceError> {
    let address = Address::parse(&settings.url)?;
    check_reference(&settings.reference)?;
    folders(settings)?;
    let login = login(&address, settings.credentials.as_ref())?;
    let authorization = settings.credentials.as_ref().and_then(Credentials::header);
    if authorization.as_ref().is_some_and(|header| header.chars().any(|c| !matches!(c, ' '..='~'))) {
        let problem = "the token holds a line break or a character outside ASCII".to_owned();
        return Err(SourceError::InvalidSecret { what: "credentials", problem });
    }
    if let Some(pem) = &settings.ca_pem {
        certificates(pem)
            .map_err(|problem| SourceError::InvalidSecret { what: "CA certificates", problem })?;
    }
    Ok(Checked { address, authorization, login })
}

/// The login of an SSH address; `None` for others.
fn login(address: &Address, credentials: Option<&Credentials>) -> Result<Option<Login>, SourceError> {
    let invalid =
        |problem: &str| SourceError::InvalidSecret { what: "credentials", problem: problem.to_owned() };
    match (address.ssh(), credentials) {
        (None, Some(Credentials::DeployKey(_))) => {
            Err(invalid("ssh-privatekey is for urls with ssh; https wants username and password, or token"))
        }
        (None, _) => Ok(None),
        (Some((user, path)), Some(Credentials::DeployKey(key))) => {
            let hosts = HostKeys::read(&key.known_hosts, address.bare_host(), address.port());
            Ok(Some(Login {
                user: user.to_owned(),
                path: path.to_owned(),
                private_key: key.private_key.expose().to_owned(),
                passphrase: key.passphrase.as_ref().map(|passphrase| passphrase.expose().to_owned()),
                hosts: hosts.map_err(|problem| invalid(&problem))?,
            }))
        }
        (Some(_), _) => Err(invalid("a url with ssh wants the keys ssh-privatekey and known_hosts")),
    }
}

/// The certificates in a PEM text: at least one.
pub(super) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => Err("there is no PEM certificate in it".to_owned()),
        Ok(found) => Ok(found),
        Err(_) => Err("it is not valid PEM".to_owned()),
    }
}

fn check_reference(reference: &Reference) -> Result<(), SourceError> {
    if let Reference::Commit(id) = reference {
        return id.parse::<CommitId>().map(|_| ());
    }
    let valid =
        reference.full_name().is_some_and(|name| git2::Reference::is_valid_name(&name) && name.len() <= 256);
    if valid {
        return Ok(());
    }
    Err(SourceError::InvalidReference {
        reference: reference.to_string(),
        problem: "git allows no such name",
    })
}

/// The watched folders of a source.
pub(super) fn folders(settings: &Settings) -> Result<Folders, SourceError> {
    folders_of(&settings.path, settings.platform_path.as_deref())
}

/// Both folders, made clean.
pub(super) fn folders_of(tenants: &str, platform: Option<&str>) -> Result<Folders, SourceError> {
    folders::folders(tenants, platform).map_err(|Unusable { field, problem }| {
        let path = if field == "path" { tenants } else { platform.unwrap_or_default() };
        SourceError::InvalidPath { field, path: text::printable(path, 120), problem }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_follow_gits_rules() {
        for good in ["main", "feature/x", "v1.0"] {
            check_reference(&Reference::Branch(good.to_owned())).expect(good);
            check_reference(&Reference::Tag(good.to_owned())).expect(good);
        }
        for bad in ["", "a b", "a..b", "-x/.y", "a\n", "x.lock", "a:b", "a*", "a^{}", "~"] {
            check_reference(&Reference::Branch(bad.to_owned())).expect_err(bad);
        }
        check_reference(&Reference::Commit("a".repeat(40))).expect("full id");
        for bad in ["", "abc1234", &"g".repeat(40), &"a".repeat(64)] {
            check_reference(&Reference::Commit(bad.to_owned())).expect_err(bad);
        }
    }

    #[test]
    fn a_line_break_at_the_end_of_a_token_is_not_part_of_it() {
        use super::super::settings::Secret;
        let header = |token: &str| Credentials::Bearer(Secret::new(token)).header();
        assert_eq!(header("abc\r\n").as_deref(), Some("Bearer abc"));
        assert_eq!(header("a\nb").as_deref(), Some("Bearer a\nb"), "inside it is refused later");
    }

    #[test]
    fn certificates_are_looked_at_early() {
        assert!(certificates("").is_err());
        assert!(certificates("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n").is_err());
    }
}

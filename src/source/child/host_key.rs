//! Whether an SSH server is the one that was meant: the key, or the certificate, that it shows.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use russh::client::Handler;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate};

use super::super::known_hosts::{self, HostKeys, Verdict};
use super::super::protocol::Failure;

/// Host keys that we check, best first. SHA-1 (`ssh-rsa` as a signature) and DSA are not among them.
const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// What the client asks for: as ever, but for host keys those first that are pinned, so that the server shows
/// one that can be compared.
pub(super) fn preferred(hosts: &HostKeys) -> russh::Preferred {
    let is_pinned = |one: &Algorithm| {
        let kind = if one.clone().is_rsa() { "ssh-rsa" } else { one.as_str() };
        hosts.accepted.iter().any(|key| known_hosts::algorithm(key) == Some(kind))
    };
    let mut key = ALGORITHMS.to_vec();
    key.sort_by_key(|one| !is_pinned(one));
    let certificates: &'static [Algorithm] = if hosts.authorities.is_empty() { &[] } else { &ALGORITHMS };
    russh::Preferred {
        key: Cow::Owned(key),
        host_key_certificates: Cow::Borrowed(certificates),
        ..russh::Preferred::DEFAULT
    }
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum Broken {
    Ssh(russh::Error),
    Refused(Failure),
}

impl From<russh::Error> for Broken {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

/// Looks at what the server shows, once, before anything is sent to it.
pub(super) struct Guard(pub HostKeys);

impl Handler for Guard {
    type Error = Broken;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Broken> {
        let known = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.key(key),
            PublicKeyOrCertificate::Certificate(certificate) => self.certificate(certificate, now()),
        };
        known.map(|()| true).map_err(Broken::Refused)
    }
}

impl Guard {
    fn key(&self, key: &PublicKey) -> Result<(), Failure> {
        let key = bytes(key.key_data())?;
        match self.0.judge(&key) {
            Verdict::Pinned => Ok(()),
            verdict => Err(Failure::HostKey { verdict, offered: shown(&key) }),
        }
    }

    /// As OpenSSH does it: a host's certificate, by an authority of this host, now, with its name, and nothing
    /// critical that we do not know.
    fn certificate(&self, certificate: &Certificate, now: u64) -> Result<(), Failure> {
        let (key, signer) = (bytes(certificate.public_key())?, bytes(certificate.signature_key())?);
        for key in [&key, &signer] {
            if self.0.revoked.contains(key) {
                return Err(Failure::HostKey { verdict: Verdict::Revoked, offered: shown(key) });
            }
        }
        let wrong = |problem: &str| {
            Err(Failure::Ssh {
                detail: format!(
                    "the server's certificate (key {}) {problem}",
                    known_hosts::fingerprint(&key)
                ),
            })
        };
        if !self.0.authorities.contains(&signer) {
            let signer = known_hosts::fingerprint(&signer);
            return wrong(&format!(
                "is signed by {signer}, which is no @cert-authority of it in known_hosts"
            ));
        }
        if certificate.cert_type() != CertType::Host {
            return wrong("is a user's, not a host's");
        }
        if certificate.signature().algorithm() == (Algorithm::Rsa { hash: None }) {
            return wrong("is signed with SHA-1");
        }
        if !certificate.critical_options().is_empty() {
            return wrong("has critical options, which no host certificate has");
        }
        if !certificate.valid_principals().iter().any(|name| name.eq_ignore_ascii_case(&self.0.host)) {
            return wrong(&format!("does not name {}", self.0.host));
        }
        let signer = certificate.signature_key().fingerprint(HashAlg::Sha256);
        match certificate.validate_at(now, [&signer]) {
            Ok(()) => Ok(()),
            Err(_) => wrong("has expired, is not valid yet, or has a wrong signature"),
        }
    }
}

/// Type and fingerprint, for messages.
pub(super) fn shown(key: &[u8]) -> String {
    let kind = known_hosts::algorithm(key).unwrap_or("unknown");
    format!("{kind} {}", known_hosts::fingerprint(key))
}

fn bytes(key: &KeyData) -> Result<Vec<u8>, Failure> {
    let bytes = PublicKey::new(key.clone(), "").to_bytes();
    bytes.map_err(|_| Failure::Ssh { detail: "the server's key can't be read".to_owned() })
}

/// Seconds since 1970; 0, at which no certificate is valid, when the clock is before that.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

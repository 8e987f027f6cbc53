//! Host certificates: good for the host that they name, from an authority of that host, for a while.

use std::path::PathBuf;

use tenantry::source::{SourceError, resolve};
use tenantry_testbed::{SshOptions, programs, ssh_certificate};

use super::{Ssh, keys, pin};

/// What comes of a host with such a certificate, when known_hosts has these lines; `PORT` is put in.
async fn shown(name: &str, authority: &str, flags: &[&str], known: &str) -> Result<(), SourceError> {
    let file: PathBuf = keys().join(format!("{name}-cert.pub"));
    let key = keys().join("host-ed25519");
    ssh_certificate(&file, &key, &keys().join(authority), flags).expect("a certificate");
    let options = SshOptions { host_keys: vec![key], certificates: vec![file], ..SshOptions::default() };
    let mut ssh = Ssh::start(options, "host-ed25519").await.expect("programs are there");
    ssh.known_hosts(&known.replace("PORT", &ssh.server.port().to_string()));
    let result = resolve(&ssh.settings).await.map(drop);
    if result.is_err() {
        ssh.nobody_logged_in();
    }
    result
}

const NAMED: &str = "--principals=127.0.0.1";

#[tokio::test]
async fn a_certificate_of_the_authority_stands_for_the_key() {
    if programs::skip() {
        return;
    }
    let known = format!("@cert-authority [127.0.0.1]:PORT {}\n", pin("ca"));
    shown("good", "ca", &[NAMED], &known).await.expect("a good certificate");
    let known = format!("@cert-authority [127.0.0.1]:PORT {}\n", pin("ca-rsa"));
    shown("rsa", "ca-rsa", &[NAMED], &known).await.expect("signed with rsa-sha2");
}

#[tokio::test]
async fn other_certificates_stand_for_nothing() {
    if programs::skip() {
        return;
    }
    let ours = format!("@cert-authority [127.0.0.1]:PORT {}\n", pin("ca"));
    let rsa = format!("@cert-authority [127.0.0.1]:PORT {}\n", pin("ca-rsa"));
    let revoked = format!("{ours}@revoked * {}\n", pin("ca"));
    let key_revoked = format!("{ours}@revoked * {}\n", pin("host-ed25519"));
    let elsewhere = format!("@cert-authority git.example.com {}\n", pin("ca"));
    for (name, authority, flags, known, reason, part) in [
        ("name", "ca", &["--principals=git.example.com"][..], &ours, "SshFailed", "does not name 127.0.0.1"),
        ("prefix", "ca", &["--principals=127.0.0.10,127.0.0"], &ours, "SshFailed", "does not name"),
        ("old", "ca", &[NAMED, "--to=-1s"], &ours, "SshFailed", "has expired"),
        ("young", "ca", &[NAMED, "--from=1h", "--to=2h"], &ours, "SshFailed", "not valid yet"),
        ("user", "ca", &[NAMED, "--user"], &ours, "SshFailed", "a user's"),
        ("critical", "ca", &[NAMED, "--critical=force-command"], &ours, "SshFailed", "critical options"),
        ("foreign", "stranger", &[NAMED], &ours, "SshFailed", "no @cert-authority"),
        ("sha1", "ca-rsa", &[NAMED, "--sha1"], &rsa, "SshFailed", "SHA-1"),
        ("revoked", "ca", &[NAMED], &revoked, "HostKeyRevoked", "@revoked"),
        ("key", "ca", &[NAMED], &key_revoked, "HostKeyRevoked", "@revoked"),
        ("elsewhere", "ca", &[NAMED], &elsewhere, "HostKeyUnknown", "known_hosts"),
    ] {
        let error = shown(name, authority, flags, known).await.expect_err(name);
        eprintln!("{error}");
        assert_eq!(error.reason(), reason, "{name}: {error}");
        assert!(error.to_string().contains(part), "{name}: {error}");
    }
}

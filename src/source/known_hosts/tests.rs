//! Lines as `ssh-keygen` and `ssh-keyscan` of OpenSSH 9.2 wrote them.

use super::*;

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO4rcQJpVPJ6Q3/hJzsj86tEu7hNwHMRWATrHg3Bx8Dy";
const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJ3RL5PXLJRHuLOaSPBZoMm2Kk8V/FH3kwt2mdz6Mo2nU8zxwFKXJn6jF5Z8T9RQz5UkUbgW7qtOIy/dXx4Bwc4=";

/// `ssh-keygen -H` of `[git.example.com]:2222`, `git.example.com`, `192.0.2.7` and `git.example.org`.
const HASHED: &str = "\
|1|+VR/4BjMfXISP+lsEa0WlacQZKg=|GTKnrC6sTV4ZNr7Kn+BpDgpULgw= KEY
|1|xF9uNt4V4O93jOXjknoKTCUnNGo=|G2RLfQJASibWnnC4qJ1uTF5SnN8= KEY
|1|rc5DdmDcUK7jZvkm1F6ESGhtpr0=|NriIZmxFQn7lJ+hzKU49hH778R0= KEY
|1|7tDjyKpZr3+KIaVh9VUgK/q8jQI=|yGk8Z7O8Z3MSrLId552jeVRYvGE= KEY
";

fn key(line: &str) -> Vec<u8> {
    STANDARD.decode(line.split(' ').nth(1).expect("a key")).expect("base64")
}

fn read(text: &str, host: &str, port: u16) -> HostKeys {
    HostKeys::read(text, host, port).expect("whole lines")
}

/// Whether the hosts of a line are taken for a server.
fn is_for(hosts: &str, host: &str, port: u16) -> bool {
    read(&format!("{hosts} {ED25519}"), host, port).judge(&key(ED25519)) == Verdict::Pinned
}

#[test]
fn fingerprints_are_those_of_ssh_keygen() {
    assert_eq!(fingerprint(&key(ED25519)), "SHA256:rKMYC0uJbXGW4TmO9GF4MMjLK+b9tW70Xsv6iYmlCaQ");
    assert_eq!(fingerprint(&key(ECDSA)), "SHA256:S9LRktEjIPzT6v9IgqpPrerPxSP4EUz+t3V52+vvCrI");
    assert_eq!(algorithm(&key(ECDSA)), Some("ecdsa-sha2-nistp256"));
    for broken in [&b""[..], b"\0\0", b"\xff\xff\xff\xffx", b"\0\0\0\x05ssh"] {
        assert_eq!(algorithm(broken), None);
    }
}

#[test]
fn hosts_ports_and_patterns() {
    for (hosts, host, port) in [
        ("git.example.com", "git.example.com", 22),
        ("GIT.example.com", "git.EXAMPLE.com", 22),
        ("git.example.com,192.0.2.7", "192.0.2.7", 22),
        ("[git.example.com]:2222", "git.example.com", 2222),
        ("[::1]:2222", "::1", 2222),
        ("::1", "::1", 22),
        ("*.example.com", "git.example.com", 22),
        ("git?.example.com", "git1.example.com", 22),
        ("[*.example.com]:2222", "git.example.com", 2222),
        ("*.example.com,!bad.example.com", "git.example.com", 22),
    ] {
        assert!(is_for(hosts, host, port), "{hosts} is for {host}:{port}");
    }
    for (hosts, host, port) in [
        ("git.example.com", "git.example.com", 2222),
        ("[git.example.com]:2222", "git.example.com", 22),
        ("[git.example.com]:2222", "git.example.com", 2223),
        ("git.example.com", "evil-git.example.com", 22),
        ("git.example.com", "git.example.com.evil.example", 22),
        ("*.example.com", "example.com", 22),
        ("*.example.com,!bad.example.com", "bad.example.com", 22),
        ("!bad.example.com,*.example.com", "bad.example.com", 22),
        ("!good.example.com", "other.example.com", 22),
        ("git.example.com,", "other.example.com", 22),
    ] {
        assert!(!is_for(hosts, host, port), "{hosts} is not for {host}:{port}");
    }
}

#[test]
fn hashed_hosts() {
    let text = HASHED.replace("KEY", ED25519);
    for (host, port, expected) in [
        ("git.example.com", 2222, 1),
        ("git.example.com", 22, 1),
        ("192.0.2.7", 22, 1),
        ("GIT.example.ORG", 22, 1),
        ("git.example.org", 2222, 0),
        ("other.example.com", 22, 0),
    ] {
        assert_eq!(read(&text, host, port).accepted.len(), expected, "{host}:{port}");
    }
}

#[test]
fn a_host_may_have_several_keys_and_lose_some() {
    let text = format!(
        "# git.example.com:22 SSH-2.0-OpenSSH_9.2\n\ngit.example.com {ED25519}\r\ngit.example.com {ECDSA} a comment\n\
         @revoked * {ECDSA}\n  @cert-authority\t*.example.com {ED25519}\n"
    );
    let keys = read(&text, "git.example.com", 22);
    assert_eq!((keys.accepted.len(), keys.authorities.len(), keys.revoked.len()), (2, 1, 1));
    assert_eq!(keys.judge(&key(ED25519)), Verdict::Pinned);
    assert_eq!(keys.judge(&key(ECDSA)), Verdict::Revoked, "revoked wins");
    assert_eq!(keys.judge(b"another"), Verdict::Changed);
    let other = read(&text, "git.example.org", 22);
    assert_eq!(other.judge(&key(ED25519)), Verdict::Unknown, "nothing is trusted on first use");
    assert_eq!(other.judge(&key(ECDSA)), Verdict::Revoked);
    assert_eq!(read("", "git.example.com", 22).judge(&key(ED25519)), Verdict::Unknown);
}

#[test]
fn a_damaged_line_is_said_not_skipped() {
    let cut = &ED25519[..ED25519.len() - 8];
    for (line, part) in [
        ("git.example.com".to_owned(), "is not: hosts, key type, key"),
        ("git.example.com ssh-ed25519".to_owned(), "is not: hosts, key type, key"),
        ("git.example.com 1024 35 1234567".to_owned(), "protocol 1"),
        ("git.example.com ssh-ed25519 !!!!".to_owned(), "not base64"),
        (format!("git.example.com {}", ED25519.replace("ssh-ed25519", "ssh-rsa")), "another type"),
        (format!("@trusted * {ED25519}"), "marker"),
        (format!("|2|aa|bb {ED25519}"), "hashed host"),
        (format!("|1|!!|bb {ED25519}"), "hashed host"),
        (format!("git.example.com {cut}"), "damaged"),
    ] {
        let text = format!("other.example.com {ED25519}\n{line}\n");
        let error = HostKeys::read(&text, "git.example.com", 22).expect_err(&line);
        assert!(error.contains("line 2") && error.contains(part), "{line}: {error}");
    }
}

//! OpenSSH's own server, where there is one: on the PATH, in /usr/sbin, or where `TENANTRY_SSHD` says.
//! (Debian: `apt-get download openssh-server`, then `dpkg -x`, needs no root.) The server of ours, which
//! all other tests of this folder use, runs everywhere.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tenantry::source::{fetch, read, resolve};
use tenantry_testbed::programs;

use super::{deploy_key, keys, pin};
use crate::repo::{Repo, put};
use crate::text;

/// A running sshd that ends with the value.
struct Sshd(Child);

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TENANTRY_SSHD") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    folders.into_iter().map(|folder| folder.join("sshd")).find(|file| file.is_file())
}

/// Starts sshd as this user, or says in one line why not.
fn start(folder: &Path, user: &str) -> Option<(Sshd, u16)> {
    let Some(program) = program() else {
        eprintln!(
            "not checked against OpenSSH's sshd: there is none here; install openssh-server, or name one in TENANTRY_SSHD"
        );
        return None;
    };
    let port =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("bound").port();
    let config = folder.join("sshd_config");
    let text = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host-ed25519\nHostKey {0}/host-rsa\nAuthorizedKeysFile {0}/authorized\n\
         AllowUsers {user}\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n",
        keys().display()
    );
    std::fs::write(&config, text).expect("disk");
    let log = std::fs::File::create(folder.join("sshd.log")).expect("disk");
    let mut command = Command::new(&program);
    command.args(["-D", "-e", "-f"]).arg(&config).stdin(Stdio::null()).stderr(log);
    let mut sshd = Sshd(command.spawn().expect("sshd starts"));
    let begun = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let said = || std::fs::read_to_string(folder.join("sshd.log")).unwrap_or_default();
        if let Some(status) = sshd.0.try_wait().expect("wait") {
            panic!("{} ended with {status}: {}", program.display(), said());
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "sshd does not listen: {}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
    Some((sshd, port))
}

#[tokio::test]
async fn openssh_serves_us_too() {
    if programs::skip() {
        return;
    }
    let user = Command::new("id").arg("-un").output().expect("id");
    let user = String::from_utf8_lossy(&user.stdout).trim().to_owned();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let repo = Repo::new(folder.path(), "config");
    repo.commit("main", "one", &[put("a.yaml", "a: 1")]);
    let Some((_sshd, port)) = start(folder.path(), &user) else { return };
    let url = format!("ssh://{user}@127.0.0.1:{port}{}", repo.path.display());
    let mut settings = crate::settings(&url, &folder.path().join("cache"));
    for (host, client) in [("host-ed25519", "ed25519"), ("host-rsa", "rsa"), ("host-ed25519", "ecdsa256")] {
        let known = format!("[127.0.0.1]:{port} {}\n", pin(host));
        settings.credentials = Some(tenantry::source::Credentials::DeployKey(deploy_key(client, &known)));
        let head = resolve(&settings).await.unwrap_or_else(|error| panic!("{host}, {client}: {error}"));
        let fetched = fetch(&settings, &head).await.expect("a fetch");
        let snapshot = read(&settings, &fetched.commit, None).expect("content");
        assert!(text(&snapshot, "a.yaml").starts_with("a: "));
        repo.commit("main", "more", &[put("a.yaml", format!("a: {client}"))]);
    }
    let known = format!("[127.0.0.1]:{port} {}\n", pin("host-ed25519"));
    settings.credentials = Some(tenantry::source::Credentials::DeployKey(deploy_key("stranger", &known)));
    assert_eq!(resolve(&settings).await.expect_err("not authorized").reason(), "AuthenticationFailed");
    settings.credentials = Some(tenantry::source::Credentials::DeployKey(deploy_key("ed25519", &known)));
    settings.url.push_str("-not-there");
    assert_eq!(resolve(&settings).await.expect_err("no repository").reason(), "RepositoryNotFound");
}

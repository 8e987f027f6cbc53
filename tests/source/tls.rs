//! https, with a private CA, through a proxy, and what is refused.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use tenantry::source::{Class, SourceError};
use tenantry_testbed::server_tls;

use crate::World;
use crate::repo::put;
use crate::server::Server;

fn world(names: &[&str]) -> (World, String) {
    let (tls, ca) = server_tls(names).expect("a certificate");
    let mut world = World::new();
    world.repo.commit("main", "one", &[put("a.yaml", "a: 1")]);
    world.server = Server::start_with(world.folder.path(), Some(tls));
    world.settings.url = world.server.url("config").replace("http:", "https:");
    (world, ca)
}

#[tokio::test]
async fn a_private_ca_is_trusted_when_it_is_named() -> Result<(), SourceError> {
    let (mut world, ca) = world(&["127.0.0.1"]);
    let error = world.resolve().await.expect_err("an unknown issuer");
    assert_eq!((error.reason(), error.class()), ("TlsFailed", Class::Rejected), "{error}");
    world.settings.ca_pem = Some(ca);
    assert_eq!(world.sync(None).await?.files.len(), 1);
    Ok(())
}

#[tokio::test]
async fn another_servers_certificate_is_refused() {
    let (mut world, ca) = world(&["other.example"]);
    world.settings.ca_pem = Some(ca);
    let error = world.resolve().await.expect_err("another name");
    assert_eq!(error.reason(), "TlsFailed", "{error}");
}

#[tokio::test]
async fn https_to_a_server_without_it() {
    let mut world = World::new();
    world.settings.url = world.settings.url.replace("http:", "https:");
    assert_eq!(world.resolve().await.expect_err("plain http").reason(), "TlsFailed");
    world.settings.ca_pem = Some("no certificate".to_owned());
    assert_eq!(world.resolve().await.expect_err("no PEM").reason(), "InvalidSecret");
}

/// A CONNECT proxy that counts in the returned list whom it was asked for.
fn proxy() -> (String, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let log = Arc::clone(&log);
            std::thread::spawn(move || tunnel(stream, &log));
        }
    });
    (url, asked)
}

fn tunnel(mut client: TcpStream, log: &std::sync::Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let target = first.split_whitespace().nth(1).unwrap_or_default().to_owned();
    log.lock().expect("no panic").push(target.clone());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
    }
    // The proxy resolves: names that exist only behind it lead to this machine.
    let server = TcpStream::connect(target.replace("git.internal", "127.0.0.1"))?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    std::io::copy(&mut client, &mut { server })?;
    Ok(())
}

/// Runs in a process of its own, because the proxy is named by the environment.
#[test]
#[ignore = "started by `a_proxy_from_the_environment`"]
fn inside_a_proxied_process() {
    let (mut world, ca) = world(&["git.internal"]);
    world.settings.ca_pem = Some(ca);
    world.settings.url = world.settings.url.replace("127.0.0.1", "git.internal");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(world.sync(None)).expect("through the proxy");
}

#[test]
fn a_proxy_from_the_environment() {
    let (url, asked) = proxy();
    let ran = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "tls::inside_a_proxied_process", "--ignored"])
        .env("HTTPS_PROXY", &url)
        .env("NO_PROXY", "elsewhere.example,10.0.0.0/8")
        .output()
        .expect("started");
    assert!(
        ran.status.success(),
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
    let asked = asked.lock().expect("no panic");
    assert!(!asked.is_empty() && asked.iter().all(|target| target.starts_with("git.internal:")), "{asked:?}");
}

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tenantry_testbed::{eventually, mutual_tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::runtime::http::{Bounds, Server};
use crate::runtime::shutdown::{Shutdown, Trigger};

fn files(folder: &Path) -> Files {
    let at = |name: &str| folder.join(name);
    Files { cert: at("server.crt"), key: at("server.key"), client_ca: Some(at("ca.crt")) }
}

/// What a client is told that knows this folder's authority, with its certificate or without.
async fn ask(addr: SocketAddr, folder: &Path, shows: bool) -> io::Result<String> {
    let mut roots = RootCertStore::empty();
    for root in certificates(&folder.join("ca.crt")).unwrap() {
        roots.add(root).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots);
    let config = if shows {
        let key = PrivateKeyDer::from_pem_file(folder.join("client.key")).unwrap();
        config.with_client_auth_cert(certificates(&folder.join("client.crt")).unwrap(), key).unwrap()
    } else {
        config.with_no_client_auth()
    };
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(addr).await?;
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

async fn serve() -> (TempDir, SocketAddr, Trigger) {
    let folder = tempfile::tempdir().unwrap();
    mutual_tls(folder.path()).unwrap();
    let tls = Tls::open(files(folder.path())).unwrap();
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), "a test").await.unwrap().secured(tls);
    let addr = server.addr();
    let (trigger, shutdown) = Shutdown::new();
    let router = Router::new().route("/", get(|| async { "let in\n" }));
    let bounds = Bounds { life: Duration::from_secs(60), connections: 8 };
    tokio::spawn(server.serve(router, bounds, shutdown));
    (folder, addr, trigger)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_clients_of_the_authority_are_let_in() {
    let (folder, addr, _trigger) = serve().await;
    let answer = ask(addr, folder.path(), true).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("let in\n"), "{answer}");
    assert!(ask(addr, folder.path(), false).await.is_err(), "without a certificate");
    let stranger = tempfile::tempdir().unwrap();
    mutual_tls(stranger.path()).unwrap();
    for file in ["client.crt", "client.key"] {
        std::fs::copy(folder.path().join(file), stranger.path().join(file)).unwrap();
    }
    assert!(ask(addr, stranger.path(), true).await.is_err(), "another server's authority");
    let mut plain = TcpStream::connect(addr).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Told in TLS' own words, or cut off.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // A client that says nothing keeps no other one waiting.
    let _silent = TcpStream::connect(addr).await.unwrap();
    assert!(ask(addr, folder.path(), true).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_change_are_read_again_and_bad_ones_are_not_taken() {
    let (folder, addr, _trigger) = serve().await;
    let before = tempfile::tempdir().unwrap();
    for file in ["ca.crt", "client.crt", "client.key"] {
        std::fs::copy(folder.path().join(file), before.path().join(file)).unwrap();
    }
    std::fs::write(folder.path().join("server.crt"), "half a certificate").unwrap();
    tokio::time::sleep(2 * LOOK).await;
    assert!(ask(addr, before.path(), true).await.is_ok(), "the one from before goes on");
    mutual_tls(folder.path()).unwrap();
    eventually(Duration::from_secs(60), "the new certificate", || async {
        ask(addr, folder.path(), true).await.map(drop).map_err(|error| error.to_string())
    })
    .await
    .unwrap();
    assert!(ask(addr, before.path(), true).await.is_err(), "the authority from before");
}

#[test]
fn a_file_that_is_none_is_named_without_its_content() {
    let folder = tempfile::tempdir().unwrap();
    mutual_tls(folder.path()).unwrap();
    let secret = "a-planted-secret";
    for file in ["server.key", "server.crt", "ca.crt"] {
        let path = folder.path().join(file);
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, secret).unwrap();
        let said = Tls::open(files(folder.path())).unwrap_err().to_string();
        assert!(said.contains(file) && said.contains("can't be used") && !said.contains(secret), "{said}");
        std::fs::write(&path, good).unwrap();
    }
}

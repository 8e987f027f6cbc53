use std::net::{IpAddr, Ipv4Addr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::audit::spool::Settings;

const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn post(addr: SocketAddr, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let head = format!(
        "POST /audit?timeout=30s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn list(items: &str) -> Vec<u8> {
    format!(r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{items}]}}"#).into_bytes()
}

#[tokio::test]
async fn events_are_taken_rubbish_is_not_and_a_full_spool_says_when_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        Settings { reserve: 0, most: Some(2000), ..Settings::new(folder.path().into(), "eu", "cp") };
    let (spool, _) = Spool::open(settings).unwrap();
    let webhook = Webhook::bind(LOCAL, None).await.unwrap();
    let (addr, answers) = (webhook.addr(), webhook.answers());
    let (_trigger, shutdown) = Shutdown::new();
    let state = webhook.state();
    let serving = tokio::spawn(Box::new(webhook).run(spool.clone(), shutdown));
    let taken = post(addr, &list(r#"{"auditID":"a","stage":"Panic"},{"auditID":"b"}"#)).await;
    assert!(taken.starts_with("HTTP/1.1 200"), "{taken}");
    assert_eq!((spool.figures().records, state.lock().unwrap().records), (3, 2));
    let rubbish = post(addr, b"{}").await;
    assert!(rubbish.starts_with("HTTP/1.1 400") && rubbish.contains("no EventList"), "{rubbish}");
    assert_eq!(spool.figures().records, 3);
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(1900));
    let late = tokio::spawn(async move { post(addr, &list(&long)).await });
    while spool.trouble().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let full = post(addr, &list("{}")).await;
    assert!(full.starts_with("HTTP/1.1 503") && full.contains("retry-after: 2\r\n"), "{full}");
    assert!(full.contains("the spool is full"), "{full}");
    assert!(!late.is_finished());
    // What was being written is sealed now: it can go.
    spool.seals().wait_for(|next| *next == 3).await.unwrap();
    for segment in spool.sealed() {
        spool.forget(segment.first).unwrap();
    }
    let late = late.await.unwrap();
    assert!(late.starts_with("HTTP/1.1 200"), "{late}");
    let counted = [&answers.taken, &answers.rubbish, &answers.later].map(|one| one.load(Ordering::Relaxed));
    assert_eq!(counted, [2, 1, 1]);
    serving.abort();
}

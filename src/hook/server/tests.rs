use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::runtime::shutdown::Trigger;

const TOKEN: &str = "a token of the tests";

/// One Platform, `shop`.
#[derive(Clone)]
struct Fake {
    key: Arc<Key>,
    standby: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Gate for Fake {
    fn leads(&self) -> bool {
        !self.standby.load(Ordering::Relaxed)
    }

    fn key(&self, platform: &str) -> Option<Arc<Key>> {
        (platform == "shop").then(|| Arc::clone(&self.key))
    }

    fn ask(&self, platform: &str) {
        assert_eq!(platform, "shop");
        self.asked.fetch_add(1, Ordering::Relaxed);
    }
}

struct Bed {
    fake: Fake,
    addr: SocketAddr,
    metrics: Metrics,
    _trigger: Trigger,
}

impl Bed {
    async fn start() -> Self {
        let local = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
        let server = bind(local).await.unwrap();
        let key = Arc::new(Key::new(TOKEN).unwrap());
        let fake = Fake { key, standby: Arc::default(), asked: Arc::default() };
        let (trigger, shutdown) = Shutdown::new();
        let (addr, metrics) = (server.addr(), Metrics::new());
        tokio::spawn(serve(server, fake.clone(), metrics.clone(), shutdown));
        Self { fake, addr, metrics, _trigger: trigger }
    }

    /// Sends a request as it is, and returns the whole answer.
    async fn send(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    async fn post(&self, platform: &str, token: &str, body: &str) -> String {
        let length = body.len();
        self.send(
            format!(
                "POST /hooks/{platform} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Gitlab-Token: {token}\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        )
        .await
    }

    fn asked(&self) -> usize {
        self.fake.asked.load(Ordering::Relaxed)
    }
}

/// The answer without the date.
fn plain(answer: &str) -> String {
    answer.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn who_is_not_signed_learns_nothing() {
    let bed = Bed::start().await;
    let good = bed.post("shop", TOKEN, "{}").await;
    assert!(good.starts_with("HTTP/1.1 202 "), "{good}");
    assert_eq!(bed.asked(), 1);
    let wrong = bed.post("shop", "another token, as long", "{}").await;
    assert!(wrong.starts_with("HTTP/1.1 401 "), "{wrong}");
    for other in [
        bed.post("nobody", TOKEN, "{}").await,
        bed.post("nobody", "another token, as long", "{}").await,
        bed.send(b"POST /hooks/shop HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
            .await,
        bed.send(
            b"POST /hooks/nobody HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        )
        .await,
    ] {
        assert_eq!(plain(&other), plain(&wrong));
    }
    assert_eq!(bed.asked(), 1);
    let metrics = bed.metrics.encode();
    assert!(metrics.contains("tenantry_hooks_total{outcome=\"refused\"} 5"), "{metrics}");
    for (line, status) in [("GET /hooks/shop", "405"), ("PUT /hooks/shop", "405"), ("POST /metrics", "404")] {
        let answer =
            bed.send(format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[tokio::test]
async fn a_standby_asks_to_come_again() {
    let bed = Bed::start().await;
    bed.fake.standby.store(true, Ordering::Relaxed);
    let answer = bed.post("shop", TOKEN, "{}").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nretry-after: 2\r\n"), "{answer}");
    assert_eq!(bed.asked(), 0);
}

#[tokio::test]
async fn what_is_too_large_is_not_read_to_its_end() {
    let bed = Bed::start().await;
    let head =
        format!("POST /hooks/shop HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Gitlab-Token: {TOKEN}\r\n");
    let announced = bed.send(format!("{head}Content-Length: {}\r\n\r\n", BODY + 1).as_bytes()).await;
    assert!(announced.starts_with("HTTP/1.1 413 "), "{announced}");
    let mut whole = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..=16 {
        whole.extend_from_slice(b"10000\r\n");
        whole.extend(std::iter::repeat_n(b'x', 65536));
        whole.extend_from_slice(b"\r\n");
    }
    let chunked = bed.send(&whole).await;
    // A client that goes on writing may be cut off before it reads.
    assert!(chunked.is_empty() || chunked.starts_with("HTTP/1.1 413 "), "{chunked}");
    let most = bed.post("shop", TOKEN, &"x".repeat(BODY)).await;
    assert!(most.starts_with("HTTP/1.1 202 "), "{most}");
    assert_eq!(bed.asked(), 1);
}

#[tokio::test]
async fn a_flood_is_told_to_wait() {
    let bed = Bed::start().await;
    let mut answers = Vec::new();
    for _ in 0..=ONE.burst {
        answers.push(bed.post("shop", TOKEN, "{}").await);
    }
    let last = answers.pop().unwrap();
    assert!(last.starts_with("HTTP/1.1 429 ") && last.contains("\r\nretry-after: 1\r\n"), "{last}");
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 202 ")), "{answers:?}");
    // Strangers are bounded together, whatever they name.
    let mut statuses = std::collections::BTreeMap::new();
    for index in 0..3 * ALL.burst {
        let answer = bed.post(&format!("p{index}"), "another token, as long", "{}").await;
        *statuses.entry(answer.split(' ').nth(1).unwrap_or_default().to_owned()).or_insert(0) += 1;
    }
    assert!(statuses.keys().all(|status| status == "401" || status == "429"), "{statuses:?}");
    assert!(statuses.contains_key("429"), "{statuses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_given_up() {
    let bed = Bed::start().await;
    let mut streams = Vec::new();
    let head = format!(
        "POST /hooks/shop HTTP/1.1\r\nHost: x\r\nX-Gitlab-Token: {TOKEN}\r\nContent-Length: 9\r\n\r\n12"
    );
    for _ in 0..AT_ONCE {
        let mut stream = TcpStream::connect(bed.addr).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    for stream in &mut streams {
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 408");
    }
    assert_eq!(bed.asked(), 0);
    let next = bed.post("shop", TOKEN, "{}").await;
    assert!(next.starts_with("HTTP/1.1 202 "), "the slots are free again: {next}");
}

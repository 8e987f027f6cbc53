use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::hook::keys::Keys;
use crate::runtime::shutdown::Trigger;

const TOKEN: &str = "a token of the tests";

/// One Platform, `shop`.
#[derive(Clone)]
struct Fake {
    key: Arc<Key>,
    standby: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    trusted: Arc<Trusted>,
    unknown: Arc<AtomicUsize>,
}

impl Gate for Fake {
    fn leads(&self) -> bool {
        !self.standby.load(Ordering::Relaxed)
    }

    fn key(&self, platform: &str) -> Option<Arc<Key>> {
        (platform == "shop").then(|| Arc::clone(&self.key))
    }

    fn trusted(&self, platform: &str) -> Option<Arc<Trusted>> {
        (platform == "shop").then(|| Arc::clone(&self.trusted))
    }

    fn unknown_key(&self, _platform: &str) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
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
    /// A good token of the issuer that `shop` trusts.
    token: String,
    _trigger: Trigger,
}

impl Bed {
    async fn start() -> Self {
        let local = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
        let server = bind(local).await.unwrap();
        let key = Arc::new(Key::new(TOKEN).unwrap());
        let (trusted, token) = vouching();
        let (standby, asked, unknown) = Default::default();
        let fake = Fake { key, standby, asked, trusted: Arc::new(trusted), unknown };
        let (trigger, shutdown) = Shutdown::new();
        let (addr, metrics) = (server.addr(), Metrics::new());
        tokio::spawn(serve(server, fake.clone(), metrics.clone(), shutdown));
        Self { fake, addr, metrics, token, _trigger: trigger }
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

/// An issuer's key as a Platform trusts it, and a token that it signed.
fn vouching() -> (Trusted, String) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let coded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let point = pair.public_key().as_ref();
    let (x, y) = (coded(&point[1..33]), coded(&point[33..]));
    let keys = json!({"keys": [{"kty": "EC", "kid": "k", "crv": "P-256", "x": x, "y": y}]});
    let oidc = json!({"issuer": "https://issuer.example.com", "audience": "hooks", "subject": "me"});
    let oidc = serde_json::from_value(oidc).unwrap();
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({
        "iss": "https://issuer.example.com", "aud": "hooks", "sub": "me", "iat": now, "exp": now + 300,
    });
    let part = |value: &serde_json::Value| coded(value.to_string().as_bytes());
    let text = format!("{}.{}", part(&json!({"alg": "ES256", "kid": "k"})), part(&claims));
    let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
    let trusted = Trusted::new(oidc, Keys::parse(&keys).unwrap()).unwrap();
    (trusted, format!("{text}.{}", coded(signature.as_ref())))
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
async fn a_token_stands_in_for_a_signature() {
    let bed = Bed::start().await;
    let send = async |platform: &str, authorization: &str| {
        let head = format!("POST /hooks/{platform} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        bed.send(format!("{head}Authorization: {authorization}\r\nContent-Length: 2\r\n\r\n{{}}").as_bytes())
            .await
    };
    let good = format!("Bearer {}", bed.token);
    let answer = send("shop", &good).await;
    assert!(answer.starts_with("HTTP/1.1 202 ") && bed.asked() == 1, "{answer}");
    // Whoever isn't vouched for learns as much as whoever isn't signed.
    let wrong = plain(&bed.post("shop", "another token, as long", "{}").await);
    let twice = format!("{good}\r\nAuthorization: {good}");
    let (text, _) = good.rsplit_once('.').unwrap();
    for (platform, authorization) in [
        ("nobody", good.as_str()),
        ("shop", &good[..good.len() - 9]),
        ("shop", &format!("{text}.")),
        ("shop", "Bearer x"),
        ("shop", "Basic eDp5"),
        ("shop", &twice),
        ("shop", &format!("Bearer {}", "a".repeat(9000))),
    ] {
        assert_eq!(plain(&send(platform, authorization).await), wrong, "{platform} {authorization}");
    }
    assert_eq!(bed.asked(), 1);
    assert_eq!(bed.fake.unknown.load(Ordering::Relaxed), 1, "nobody's keys know none");
    // A wrong signature beside a good token takes nothing from it.
    let both = send("shop", &format!("{good}\r\nX-Gitlab-Token: wrong")).await;
    assert!(both.starts_with("HTTP/1.1 202 "), "{both}");
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

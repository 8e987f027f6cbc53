//! A small issuer of tokens: HTTPS with a certificate of its own authority, keys that it can change, and any answer that
//! a test wants instead.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

pub const CONFIGURATION: &str = "/.well-known/openid-configuration";
pub const KEYS: &str = "/keys";

/// What is answered in place of the right thing.
#[derive(Clone)]
pub enum Fault {
    /// A status, more headers, and a body.
    Says(u16, String, Vec<u8>),
    /// Nothing, for this long.
    Hangs(Duration),
}

/// An issuer that runs; its threads end with the process.
pub struct Issuer {
    /// What it calls itself.
    pub url: String,
    /// The certificate of its authority, in PEM.
    pub ca: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    keys: Vec<(String, EcdsaKeyPair)>,
    faults: HashMap<String, Fault>,
    asked: Vec<String>,
}

impl Issuer {
    /// Starts one whose only key is `first`.
    pub fn start() -> Self {
        let (tls, ca) = tenantry_testbed::server_tls(&["127.0.0.1"]).expect("a certificate");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("https://{}", listener.local_addr().expect("bound"));
        let issuer = Self { url, ca, state: Arc::default() };
        issuer.change_key("first");
        let (state, url) = (Arc::clone(&issuer.state), issuer.url.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, state, url) = (Arc::clone(&tls), Arc::clone(&state), url.clone());
                // Errors are clients that went away.
                std::thread::spawn(move || serve(tls, stream, &state, &url));
            }
        });
        issuer
    }

    /// Signs with a new key of this id from now on, and publishes no other.
    pub fn change_key(&self, kid: &str) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        lock(&self.state).keys = vec![(kid.to_owned(), pair)];
    }

    /// Answers so where it is asked for this path.
    pub fn fault(&self, path: &str, fault: Fault) {
        lock(&self.state).faults.insert(path.to_owned(), fault);
    }

    /// Answers rightly again.
    pub fn mend(&self) {
        lock(&self.state).faults.clear();
    }

    /// The paths that were asked for since the last call.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.state).asked)
    }

    /// A token with these claims, and those that every token has.
    pub fn token(&self, audience: &str, claims: &Value) -> String {
        let now = jiff::Timestamp::now().as_second();
        let mut all = json!({"iss": self.url, "aud": audience, "iat": now, "nbf": now, "exp": now + 300});
        for (name, value) in claims.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        let state = lock(&self.state);
        let (kid, pair) = state.keys.first().expect("a key");
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&json!({"alg": "ES256", "kid": kid, "typ": "JWT"})), part(&all));
        let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).expect("signed");
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

impl State {
    fn answer(&self, path: &str, url: &str) -> Fault {
        let body = match path {
            CONFIGURATION => json!({"issuer": url, "jwks_uri": format!("{url}{KEYS}")}),
            KEYS => json!({"keys": self.keys.iter().map(|(kid, pair)| jwk(kid, pair)).collect::<Vec<_>>()}),
            _ => return Fault::Says(404, String::new(), Vec::new()),
        };
        let right = Fault::Says(200, String::new(), body.to_string().into_bytes());
        self.faults.get(path).cloned().unwrap_or(right)
    }
}

fn jwk(kid: &str, pair: &EcdsaKeyPair) -> Value {
    let point = pair.public_key().as_ref();
    let coded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256", "x": coded(&point[1..33]), "y": coded(&point[33..])})
}

fn serve(tls: Arc<ServerConfig>, stream: TcpStream, state: &Mutex<State>, url: &str) -> std::io::Result<()> {
    let session = ServerConnection::new(tls).map_err(std::io::Error::other)?;
    let mut reader = BufReader::new(StreamOwned::new(session, stream));
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    lock(state).asked.push(path.clone());
    let answer = lock(state).answer(&path, url);
    let (status, headers, body) = match answer {
        Fault::Says(status, headers, body) => (status, headers, body),
        Fault::Hangs(time) => {
            std::thread::sleep(time);
            return Ok(());
        }
    };
    let length = body.len();
    let mut stream = reader.into_inner();
    write!(stream, "HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n")?;
    stream.write_all(&body)?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

//! A small HTTP/1.1 server in front of `git http-backend`, the server code that
//! forges run, with a switch for every fault a server or network can have.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What the server does with a request.
#[derive(Clone)]
pub enum Answer {
    /// Hand it to git.
    Git,
    /// A status with headers and no Git.
    Status(u16, Vec<(&'static str, String)>),
    /// Any body under any content type.
    Body(&'static str, Vec<u8>),
    /// Accept, then silence.
    Hang,
    /// Git's answer at one byte per interval.
    Slow(Duration),
    /// Git's answer, cut off after so many bytes.
    Cut(usize),
    /// Git's answer, silent after so many bytes.
    Stall(usize),
    /// Git's answer with one byte flipped.
    Flip(usize),
    /// The same bytes again and again, without an end.
    Endless(&'static str, Vec<u8>),
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub target: String,
    pub authorization: Option<String>,
}

impl Asked {
    pub fn is_pack(&self) -> bool {
        self.method == "POST"
    }
}

/// Sees every byte of an answer at its offset, may change it, and ends the answer by `false`.
type Each = dyn FnMut(usize, &mut u8) -> bool;

type Rule = dyn Fn(&Asked) -> Answer + Send + Sync;

/// A running server; its threads end with the test process.
#[derive(Clone)]
pub struct Server {
    pub address: SocketAddr,
    root: PathBuf,
    asked: Arc<Mutex<Vec<Asked>>>,
    rule: Arc<Mutex<Arc<Rule>>>,
}

impl Server {
    /// Serves the bare repositories in a folder.
    pub fn start(root: &Path) -> Self {
        Self::start_with(root, None)
    }

    /// The same over TLS.
    pub fn start_with(root: &Path, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let server = Self {
            address: listener.local_addr().expect("bound"),
            root: root.to_owned(),
            asked: Arc::default(),
            rule: Arc::new(Mutex::new(Arc::new(|_| Answer::Git))),
        };
        let running = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (server, tls) = (running.clone(), tls.clone());
                // Errors are clients that went away, which tests do on purpose.
                std::thread::spawn(move || match tls {
                    None => server.serve(stream),
                    Some(tls) => {
                        let session = ServerConnection::new(tls).map_err(std::io::Error::other)?;
                        server.serve(StreamOwned::new(session, stream))
                    }
                });
            }
        });
        server
    }

    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}.git", self.address)
    }

    /// From now on, requests are answered so.
    pub fn answer(&self, rule: impl Fn(&Asked) -> Answer + Send + Sync + 'static) {
        *lock(&self.rule) = Arc::new(rule);
    }

    /// What was asked since the last call.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *lock(&self.asked))
    }

    fn serve(&self, stream: impl Read + Write) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let (asked, headers) = match read_head(&mut reader) {
            Ok(Some(head)) => head,
            // What a web server says to a TLS handshake.
            _ => return reader.get_mut().write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
        };
        let body = read_body(&mut reader, &headers)?;
        let stream = reader.get_mut();
        lock(&self.asked).push(asked.clone());
        let rule = Arc::clone(&lock(&self.rule));
        let answer = rule(&asked);
        let mut git = |each: Option<&mut Each>| self.git(&asked, &headers, &body, stream, each);
        match answer {
            Answer::Git => git(None),
            Answer::Slow(pause) => git(Some(&mut move |_, _| {
                std::thread::sleep(pause);
                true
            })),
            // The byte before is sent on its own by `pass`, so that it arrives.
            Answer::Stall(after) => git(Some(&mut move |at, _| {
                match at {
                    at if at + 1 == after => std::thread::sleep(Duration::from_millis(5)),
                    at if at == after => std::thread::sleep(Duration::from_secs(60)),
                    _ => {}
                }
                true
            })),
            Answer::Cut(after) => git(Some(&mut move |at, _| at < after)),
            Answer::Flip(which) => git(Some(&mut move |at, byte| {
                if at == which {
                    *byte ^= 0x55;
                }
                true
            })),
            other => without_git(other, stream),
        }
    }

    /// Runs `git http-backend`; `each` sees every byte of the body and ends it by `false`.
    fn git(
        &self,
        asked: &Asked,
        headers: &[(String, String)],
        body: &[u8],
        stream: &mut impl Write,
        each: Option<&mut Each>,
    ) -> std::io::Result<()> {
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        let mut child = Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("REQUEST_METHOD", &asked.method)
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("CONTENT_TYPE", header(headers, "content-type").unwrap_or_default())
            .env("CONTENT_LENGTH", body.len().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        child.stdin.take().expect("piped").write_all(body)?;
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut head = String::new();
        let mut status = "200 OK".to_owned();
        loop {
            let mut line = String::new();
            if output.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            match line.strip_prefix("Status: ") {
                Some(found) => status = found.trim().to_owned(),
                None => head.push_str(&format!("{}\r\n", line.trim())),
            }
        }
        write!(stream, "HTTP/1.1 {status}\r\n{head}Connection: close\r\n\r\n")?;
        let sent = match each {
            Some(each) => pass(&mut output, stream, each),
            None => std::io::copy(&mut output, stream).and_then(|_| stream.flush()),
        };
        let _ = child.kill();
        let _ = child.wait();
        sent
    }
}

/// The answers that Git has no part in.
fn without_git(answer: Answer, stream: &mut impl Write) -> std::io::Result<()> {
    let end = "Connection: close\r\n\r\n";
    match answer {
        Answer::Status(status, extra) => {
            let extra: String = extra.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            write!(stream, "HTTP/1.1 {status} Test\r\n{extra}Content-Length: 0\r\n{end}")?;
        }
        Answer::Body(kind, bytes) => {
            let length = bytes.len();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{end}")?;
            stream.write_all(&bytes)?;
        }
        Answer::Endless(kind, piece) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{end}")?;
            loop {
                stream.write_all(&piece)?;
            }
        }
        _ => std::thread::sleep(Duration::from_secs(120)),
    }
    stream.flush()
}

/// Sends the body on; byte by byte where `each` takes its time.
fn pass(from: &mut dyn Read, to: &mut impl Write, each: &mut Each) -> std::io::Result<()> {
    let mut at = 0;
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return to.flush();
        }
        let mut sent = 0;
        for i in 0..read {
            let begun = std::time::Instant::now();
            if !each(at, &mut buffer[i]) {
                to.write_all(&buffer[sent..i])?;
                return to.flush();
            }
            at += 1;
            if begun.elapsed() > Duration::from_millis(1) {
                to.write_all(&buffer[sent..=i])?;
                to.flush()?;
                sent = i + 1;
            }
        }
        to.write_all(&buffer[sent..read])?;
    }
}

type Head = (Asked, Vec<(String, String)>);

fn read_head(reader: &mut impl BufRead) -> std::io::Result<Option<Head>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    let authorization = header(&headers, "authorization").map(str::to_owned);
    Ok(Some((Asked { method, target, authorization }, headers)))
}

fn read_body(reader: &mut impl BufRead, headers: &[(String, String)]) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if let Some(length) = header(headers, "content-length").and_then(|length| length.parse().ok()) {
        reader.take(length).read_to_end(&mut body)?;
    } else if header(headers, "transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = u64::from_str_radix(size.trim(), 16).unwrap_or(0);
            let read = (&mut *reader).take(size + 2).read_to_end(&mut body)?;
            body.truncate(body.len() - read.min(2));
            if size == 0 {
                break;
            }
        }
    }
    Ok(body)
}

fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

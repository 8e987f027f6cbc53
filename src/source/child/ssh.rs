//! Git's smart protocol over SSH: one connection, one command, one stream for all steps.
//!
//! The runtime runs only inside the calls of libgit2, so a server can make us hold no more than what its
//! channel's window lets through.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::client::{self, AuthResult, Handle, Msg};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, decode_secret_key};
use russh::{Channel, ChannelMsg, Disconnect, SshId};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::{timeout, timeout_at};

use super::super::protocol::{Failure, Login};
use super::host_key::{self, Broken, Guard};
use super::server::{Client, Shared};

/// Longest time for one TCP connection, so that a dead first address leaves time for the next.
const CONNECT: Duration = Duration::from_secs(10);

/// Bytes kept of what the server says besides its answer, and bytes of it that are too many.
const WORDS: usize = 4 * 1024;
const TOO_MANY_WORDS: u64 = 1024 * 1024;

/// Longest time for a polite end.
const GOODBYE: Duration = Duration::from_millis(300);

/// Where and as whom.
pub(super) struct Shell {
    login: Login,
    addresses: Vec<SocketAddr>,
}

impl Shell {
    /// A login at one of these addresses.
    pub(super) fn new(login: Login, addresses: Vec<SocketAddr>) -> Self {
        Self { login, addresses }
    }

    /// Connects, checks the server, logs in and starts its Git.
    async fn open(&self) -> Result<(Handle<Guard>, Channel<Msg>), Failure> {
        let key = self.key()?;
        let stream = self.connect().await?;
        let config = client::Config {
            client_id: SshId::Standard(concat!("SSH-2.0-tenantry_", env!("CARGO_PKG_VERSION")).into()),
            preferred: host_key::preferred(&self.login.hosts),
            ..client::Config::default()
        };
        let guard = Guard(self.login.hosts.clone());
        let mut session =
            client::connect_stream(Arc::new(config), stream, guard).await.map_err(failure_of)?;
        self.log_in(&mut session, key).await?;
        let channel = session.channel_open_session().await.map_err(|error| match error {
            russh::Error::ChannelOpenFailure(_) => {
                Failure::Ssh { detail: "the server opens no session for this key".to_owned() }
            }
            error => failure_of(error.into()),
        })?;
        // What the path may hold was checked when the address was read: no quote is in it.
        let command = format!("git-upload-pack '{}'", self.login.path);
        channel.exec(true, command).await.map_err(|error| failure_of(error.into()))?;
        Ok((session, channel))
    }

    fn key(&self) -> Result<PrivateKey, Failure> {
        let invalid = |problem: &str| Err(Failure::InvalidKey { problem: problem.to_owned() });
        let passphrase = self.login.passphrase.as_deref();
        // Not their words: a parser's may quote what it read.
        match decode_secret_key(&format!("{}\n", self.login.private_key), passphrase) {
            Ok(key) if key.is_encrypted() => invalid("it is encrypted; add the key passphrase to the Secret"),
            Ok(key) => Ok(key),
            Err(russh::keys::Error::KeyIsEncrypted) => {
                invalid("it is encrypted; add the key passphrase to the Secret")
            }
            Err(_) if passphrase.is_some() => {
                invalid("it is no private key of OpenSSH or in PEM, or the passphrase is not the right one")
            }
            Err(_) => {
                invalid("it is no private key of OpenSSH or in PEM; make one with ssh-keygen -t ed25519")
            }
        }
    }

    async fn connect(&self) -> Result<TcpStream, Failure> {
        let mut detail = "there is no address".to_owned();
        for address in &self.addresses {
            match timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => detail = error.to_string(),
                Err(_) => detail = "nothing answers there".to_owned(),
            }
        }
        Err(Failure::Unreachable { detail })
    }

    async fn log_in(&self, session: &mut Handle<Guard>, key: PrivateKey) -> Result<(), Failure> {
        let shown = key.public_key().to_bytes().map(|key| host_key::shown(&key)).unwrap_or_default();
        let broken = |error: russh::Error| failure_of(error.into());
        let mut hash = None;
        if key.algorithm().is_rsa() {
            // Without word from the server, RFC 8332 has us try.
            hash = session.best_supported_rsa_hash().await.map_err(broken)?.unwrap_or(Some(HashAlg::Sha256));
            if hash.is_none() {
                let detail =
                    "the server takes RSA keys with SHA-1 only, which is not safe; use an ed25519 key";
                return Err(Failure::Ssh { detail: detail.to_owned() });
            }
        }
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        let answer = session.authenticate_publickey(self.login.user.as_str(), key).await.map_err(broken)?;
        match answer {
            AuthResult::Success => Ok(()),
            AuthResult::Failure { remaining_methods, .. }
                if remaining_methods.is_empty() && session.is_closed() =>
            {
                Err(Failure::Unreachable {
                    detail: "the server ended the connection during login".to_owned(),
                })
            }
            AuthResult::Failure { .. } => Err(Failure::KeyRefused { key: shown }),
        }
    }
}

/// An error of the SSH client in our classes.
fn failure_of(broken: Broken) -> Failure {
    let unreachable = |detail: &str| Failure::Unreachable { detail: detail.to_owned() };
    let ssh = |detail: String| Failure::Ssh { detail };
    let error = match broken {
        Broken::Refused(failure) => return failure,
        Broken::Ssh(error) => error,
    };
    match error {
        russh::Error::NoCommonAlgo { kind, theirs, .. } => ssh(format!(
            "the server has no {} that is safe, only {}; ask its operator for ed25519, ecdsa or rsa-sha2 keys and current ciphers",
            format!("{kind:?}").to_lowercase(),
            theirs.join(", "),
        )),
        russh::Error::Version => {
            ssh("what answers there does not speak SSH; check the host and the port".to_owned())
        }
        russh::Error::WrongServerSig => ssh("the server does not have the key that it shows".to_owned()),
        russh::Error::Disconnect | russh::Error::HUP => unreachable("the server ended the connection"),
        russh::Error::IO(error) => Failure::Unreachable { detail: error.to_string() },
        error => unreachable(&format!("the exchange broke: {error}")),
    }
}

/// Everything between libgit2 and the server's Git.
pub(super) struct Exchange {
    shared: Arc<Shared>,
    line: Option<Line>,
    /// Bytes of the list of references.
    listed: u64,
    /// Something was asked for, so what comes is no longer the list.
    asked: bool,
    /// The next bytes begin an answer.
    fresh: bool,
}

/// An open connection.
struct Line {
    runtime: Runtime,
    session: Handle<Guard>,
    channel: Channel<Msg>,
    /// Received and not yet read.
    pending: io::Cursor<Vec<u8>>,
    end: Instant,
    /// The server's stderr.
    words: Vec<u8>,
    said: u64,
    status: Option<u32>,
    over: bool,
}

impl Exchange {
    /// Connects when it is first used.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, line: None, listed: 0, asked: false, fresh: true }
    }

    fn line(&mut self) -> io::Result<&mut Line> {
        if self.line.is_none() {
            let line = Line::open(&self.shared).map_err(|failure| self.shared.fail(failure))?;
            self.line = Some(line);
        }
        self.line.as_mut().ok_or_else(|| io::Error::other("stopped"))
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let shared = Arc::clone(&self.shared);
        let read = self.line()?.read(buffer).map_err(|failure| shared.fail(failure))?;
        if std::mem::take(&mut self.fresh) {
            shared.refused(&buffer[..read])?;
        }
        shared.count((!self.asked).then_some(&mut self.listed), read as u64)?;
        Ok(read)
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let shared = Arc::clone(&self.shared);
        self.line()?.write(bytes).map_err(|failure| shared.fail(failure))?;
        (self.asked, self.fresh) = (true, true);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Line {
    fn open(shared: &Shared) -> Result<Self, Failure> {
        let other = |detail: String| Failure::Other { detail };
        let Client::Shell(shell) = &shared.client else { return Err(other("not over ssh".to_owned())) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| other(format!("no runtime: {error}")))?;
        let opened = runtime.block_on(async { timeout_at(shared.end.into(), shell.open()).await });
        let (session, channel) = opened.unwrap_or(Err(Failure::Timeout))?;
        let end = shared.end;
        let (pending, words) = (io::Cursor::default(), Vec::new());
        Ok(Self { runtime, session, channel, pending, end, words, said: 0, status: None, over: false })
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        loop {
            let read = self.pending.read(buffer).unwrap_or(0);
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            if self.over {
                return self.ended().map_or(Ok(0), Err);
            }
            let (channel, end) = (&mut self.channel, self.end.into());
            let message = self.runtime.block_on(async { timeout_at(end, channel.wait()).await });
            self.take(message.map_err(|_| Failure::Timeout)?)?;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let (channel, end) = (&self.channel, self.end.into());
        let sent = self.runtime.block_on(async { timeout_at(end, channel.data_bytes(bytes.to_vec())).await });
        match sent {
            Ok(Ok(())) => Ok(()),
            // Whoever reads finds out why.
            Ok(Err(_)) => Ok(()),
            Err(_) => Err(Failure::Timeout),
        }
    }

    fn take(&mut self, message: Option<ChannelMsg>) -> Result<(), Failure> {
        match message {
            Some(ChannelMsg::Data { data }) => self.pending = io::Cursor::new(data.to_vec()),
            Some(ChannelMsg::ExtendedData { data, .. }) => {
                self.said += data.len() as u64;
                let room = WORDS.saturating_sub(self.words.len()).min(data.len());
                self.words.extend_from_slice(&data[..room]);
                if self.said > TOO_MANY_WORDS {
                    let what = "what the server says besides its answer".to_owned();
                    return Err(Failure::TooLarge { what, limit: TOO_MANY_WORDS });
                }
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => self.status = Some(exit_status),
            Some(ChannelMsg::ExitSignal { .. }) => self.status = Some(u32::MAX),
            Some(ChannelMsg::Failure) => {
                let detail = "the server starts no git-upload-pack for this key".to_owned();
                return Err(Failure::Ssh { detail });
            }
            Some(ChannelMsg::Close) => self.over = true,
            None => {
                self.over = true;
                if self.status.is_none() {
                    return Err(self.broken());
                }
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Why the connection broke.
    fn broken(&mut self) -> Failure {
        let session = &mut self.session;
        match self.runtime.block_on(async { timeout(GOODBYE, session).await }) {
            Ok(Err(broken)) => failure_of(broken),
            _ => Failure::Unreachable { detail: "the server ended the connection".to_owned() },
        }
    }

    /// What it means that the server's Git has ended while more was wanted; `None` when it ended well.
    fn ended(&self) -> Option<Failure> {
        if self.status == Some(0) {
            return None;
        }
        let words = String::from_utf8_lossy(&self.words).trim().to_owned();
        Some(match self.status {
            _ if says_no(&words) => Failure::NotServed { message: words },
            _ if !words.is_empty() => Failure::Remote { message: words },
            Some(status) if status != u32::MAX => {
                Failure::Unreachable { detail: format!("its git ended with status {status} and no word") }
            }
            _ => Failure::Unreachable { detail: "its git ended early".to_owned() },
        })
    }
}

/// Whether a server says that it has no such repository, or not for us: the words of git, GitHub, GitLab,
/// Gitea and Bitbucket.
fn says_no(words: &str) -> bool {
    let words = words.to_lowercase();
    [
        "not found",
        "could not be found",
        "not appear to be a git repo",
        "does not exist",
        "cannot find repo",
        "access denied",
    ]
    .iter()
    .any(|no| words.contains(no))
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.over || Instant::now() + GOODBYE >= self.end {
            return;
        }
        let session = &mut self.session;
        let goodbye = async {
            session.disconnect(Disconnect::ByApplication, "", "").await.ok()?;
            session.await.ok()
        };
        let _ = self.runtime.block_on(async { timeout(GOODBYE, goodbye).await });
    }
}

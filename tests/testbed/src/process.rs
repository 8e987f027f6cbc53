//! Child processes with a log, ended with the run they belong to.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::error::{Error, Result, io, tail};
use crate::registry::{Run, identity};
use crate::wait::eventually;

/// The child, and how it ended once that is known. From then on its id belongs to
/// others and gets no more signals.
#[derive(Debug)]
struct State {
    child: Child,
    ended: Option<ExitStatus>,
}

/// A running program; dropped, it is killed together with its own children.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    state: Mutex<State>,
    log: PathBuf,
    run: Arc<Run>,
}

impl Process {
    /// Starts `command` in a process group of its own, with its output appended to
    /// `logs/NAME.log` in the run's folder.
    ///
    /// # Errors
    /// The program can't be started.
    pub fn start(run: &Arc<Run>, name: &str, mut command: Command) -> Result<Self> {
        let log = run.folder("logs")?.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log).map_err(io("write", &log))?;
        let err = out.try_clone().map_err(io("write", &log))?;
        let program = PathBuf::from(command.get_program());
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .map_err(io("start", &program))?;
        let pid = child.id();
        let note = run.pid_file(name);
        fs::write(&note, identity(pid).unwrap_or_default()).map_err(io("write", &note))?;
        Ok(Self {
            name: name.to_string(),
            pid,
            state: Mutex::new(State { child, ended: None }),
            log,
            run: Arc::clone(run),
        })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.pid
    }

    /// The log file.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Everything it wrote so far.
    #[must_use]
    pub fn logs(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        let mut state = self.state();
        if state.ended.is_none() {
            state.ended = state.child.try_wait().ok().flatten();
            if state.ended.is_some() {
                self.forget();
            }
        }
        state.ended
    }

    /// An error with the end of the log, if it has ended.
    ///
    /// # Errors
    /// It has ended.
    pub fn check(&self) -> Result<()> {
        match self.ended() {
            None => Ok(()),
            Some(status) => Err(Error::Process {
                name: self.name.clone(),
                reason: format!("ended with {status}; the end of its log:\n{}", tail(&self.log, 12)),
            }),
        }
    }

    /// Waits until something answers at an address of this machine.
    ///
    /// # Errors
    /// The process ended, or nothing answers in time.
    pub async fn answers(&self, address: &str, what: &str, deadline: Duration) -> Result<()> {
        eventually(deadline, what, || {
            let alive = self.check();
            async move {
                match alive {
                    Err(error) => Ok(Err(error)),
                    Ok(()) => tokio::net::TcpStream::connect(address)
                        .await
                        .map(|_| Ok(()))
                        .map_err(|error| error.to_string()),
                }
            }
        })
        .await?
    }

    /// Ends it at once, with its children (SIGKILL), and waits until it is gone.
    pub fn kill(&self) {
        let mut state = self.state();
        if state.ended.is_none() {
            self.signal(Signal::KILL);
            state.ended = state.child.wait().ok();
            self.forget();
        }
    }

    /// Asks it to end (SIGTERM); after `deadline` it is killed, and there is no status.
    pub fn stop(&self, deadline: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        if self.ended().is_none() {
            self.signal(Signal::TERM);
        }
        while start.elapsed() < deadline {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        None
    }

    /// To its whole process group, while it is known to exist.
    fn signal(&self, signal: Signal) {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return };
        let _ = rustix::process::kill_process_group(pid, signal);
    }

    fn forget(&self) {
        let _ = fs::remove_file(self.run.pid_file(&self.name));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

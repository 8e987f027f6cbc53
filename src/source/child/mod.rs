//! The fetch process: all network work of Git, and what can't be bounded otherwise, in a process of its own that can
//! be killed, sees one folder and forgets everything when it ends.

mod agent;
mod fetch;
mod host_key;
mod http;
mod merge;
mod notes;
mod refs;
mod sandbox;
mod server;
mod ssh;

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::protocol::{Answer, Done, EXIT_DEADLINE, Failure, Operation, Request};
use http::Web;
use server::{Client, Server};
use ssh::Shell;

/// Bytes of the largest request: settings, certificates and a token.
const REQUEST_BYTES: u64 = 8 * 1024 * 1024;

/// The body of the hidden subcommand `git-child`: one request on stdin, one answer on stdout.
/// Call it before anything else starts threads: Landlock holds for this thread and those it starts.
pub fn child_main() -> ExitCode {
    #[cfg(target_os = "linux")]
    die_with_parent();
    let answer = match read_request() {
        Ok(request) => serve(&request),
        Err(detail) => Answer { landlock: None, result: Err(Failure::Other { detail }) },
    };
    let written = serde_json::to_vec(&answer)
        .map_err(std::io::Error::other)
        .and_then(|json| std::io::stdout().lock().write_all(&json));
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The operator may be killed without a chance to kill us.
#[cfg(target_os = "linux")]
fn die_with_parent() {
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}

fn read_request() -> Result<Request, String> {
    let mut json = Vec::new();
    std::io::stdin()
        .lock()
        .take(REQUEST_BYTES)
        .read_to_end(&mut json)
        .map_err(|error| format!("can't read the request: {error}"))?;
    // The position only: the text holds a token.
    serde_json::from_slice(&json)
        .map_err(|error| format!("the request is not valid at column {}", error.column()))
}

/// Bounds what libgit2 inflates in memory while it resolves deltas.
fn bound_objects(bytes: u64) {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    // SAFETY: sets a global of libgit2 before this process has a second thread; the option takes
    // one `size_t`, which `usize` is.
    unsafe {
        libgit2_sys::git_libgit2_opts(libgit2_sys::GIT_OPT_SET_PACK_MAX_OBJECT_SIZE as _, bytes);
    }
}

fn serve(request: &Request) -> Answer {
    let failed = |landlock, failure| Answer { landlock, result: Err(failure) };
    let end = Instant::now() + request.deadline;
    super::harden();
    bound_objects(request.limits.object_bytes);
    // Certificates are files of the system, so they are read before the door closes.
    let client = match client(request) {
        Ok(client) => client,
        Err(failure) => return failed(None, failure),
    };
    // Listing references touches no file at all.
    let folder = match request.operation {
        Operation::Resolve => None,
        Operation::Fetch { .. }
        | Operation::FetchNotes
        | Operation::Compare { .. }
        | Operation::Probe { .. } => Some(request.repository.as_path()),
    };
    let ports: Vec<u16> = request.addresses.iter().map(std::net::SocketAddr::port).collect();
    let landlock = match sandbox::restrict(folder, &ports, &request.limits) {
        Ok(landlock) => landlock,
        Err(detail) => return failed(None, Failure::Other { detail }),
    };
    // Also without a parent that kills us, and whatever libgit2 waits for.
    std::thread::spawn(move || {
        std::thread::sleep(end.saturating_duration_since(Instant::now()) + Duration::from_millis(500));
        std::process::exit(i32::from(EXIT_DEADLINE));
    });
    let server = || match client {
        Some(client) => Ok(Server::new(client, request, end)),
        None => Err(Failure::Other { detail: "there is no server to ask".to_owned() }),
    };
    let result = match &request.operation {
        Operation::Probe { path } => Ok(Done::Probed { readable: std::fs::File::open(path).is_ok() }),
        Operation::Compare { merges } => merge::compare(request, merges),
        Operation::Resolve => server().and_then(|server| refs::resolve(request, server)),
        Operation::Fetch { commit, base } => {
            server().and_then(|server| fetch::fetch(request, *commit, *base, &server))
        }
        Operation::FetchNotes => server().and_then(|server| notes::fetch(request, &server)),
    };
    Answer { landlock: Some(landlock), result }
}

/// How the server is spoken to; nothing where none is asked.
fn client(request: &Request) -> Result<Option<Client>, Failure> {
    match (&request.operation, &request.login) {
        (Operation::Compare { .. } | Operation::Probe { .. }, _) => Ok(None),
        (_, Some(login)) => Ok(Some(Client::Shell(Shell::new(login.clone(), request.addresses.clone())))),
        (_, None) => agent::build(request).map(|agent| Some(Client::Web(Web::new(agent, request)))),
    }
}

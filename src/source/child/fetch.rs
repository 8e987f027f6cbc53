//! Bringing a commit into the repository folder: shallow at first, then only
//! what is new, anew when the copy is damaged or has grown too large.

use git2::{AutotagOption, Direction, FetchOptions, Oid, Repository, RepositoryInitOptions};

use super::super::folder::Folder;
use super::super::protocol::{Done, Failure, Request};
use super::super::read;
use super::super::settings::{CommitId, Reference};
use super::refs;
use super::server::Server;

/// What keeps the newest commit: negotiation starts from it, and it is set only
/// after everything below it has arrived.
pub(in super::super) const HEAD: &str = "refs/tenantry/head";

/// Every incremental fetch adds a pack, and libgit2 never joins them. Past this many the copy is
/// made anew: one shallow fetch costs less than ever slower lookups.
const PACKS: usize = 200;

/// The repository's folder can't be used.
pub(super) fn disk(request: &Request, error: &std::io::Error) -> Failure {
    Failure::Disk { path: request.repository.display().to_string(), detail: error.to_string() }
}

/// Fetches `commit`, or a newer one when the reference has moved on.
pub(super) fn fetch(
    request: &Request,
    commit: CommitId,
    base: Option<CommitId>,
    server: &Server,
) -> Result<Done, Failure> {
    let disk = |error| disk(request, &error);
    server.register()?;
    let folder = Folder::new(&request.repository);
    let _lock = folder.lock().map_err(disk)?.ok_or(Failure::Busy)?;
    let mut fresh = !is_usable(&folder, request);
    if fresh {
        folder.wipe().map_err(disk)?;
        create(&folder, request)?;
    }
    // Of a fetch that was killed at its start there is a folder, but nothing in it to continue.
    fresh = fresh || folder.packs() == 0;
    let mut done = exchange(&folder, request, commit, server, fresh);
    if let (Ok(Done::Fetched { commit, .. }), Some(base)) = (&done, base) {
        deepen(&folder, request, *commit, base);
    }
    let too_large = |done: &Result<Done, Failure>| matches!(done, Err(Failure::TooLarge { .. }));
    let grown = |folder: &Folder| folder.bytes().map(|bytes| bytes > request.limits.repository_bytes);
    if (!fresh && too_large(&done)) || ((!fresh || base.is_some()) && grown(&folder).map_err(disk)?) {
        // History, not content, has outgrown the limit: keep the newest commit only.
        folder.wipe().map_err(disk)?;
        create(&folder, request)?;
        server.reset();
        fresh = true;
        done = exchange(&folder, request, commit, server, fresh);
    }
    if too_large(&done) {
        // What arrived of it is of no use and takes up the volume.
        folder.wipe().map_err(disk)?;
    }
    let done = done?;
    let stored = folder.bytes().map_err(disk)?;
    if stored > request.limits.repository_bytes {
        folder.wipe().map_err(disk)?;
        return Err(Failure::TooLarge {
            what: "the repository".to_owned(),
            limit: request.limits.repository_bytes,
        });
    }
    Ok(match done {
        Done::Fetched { commit, .. } => Done::Fetched { commit, received: server.received(), stored, fresh },
        other => other,
    })
}

/// Whether the copy can be continued: it is of this repository, whole as far as one can see
/// quickly, and not yet in too many pieces. Leftovers of a killed fetch are removed.
fn is_usable(folder: &Folder, request: &Request) -> bool {
    if folder.is_marked_corrupt() || folder.packs() > PACKS || folder.tidy().is_err() {
        return false;
    }
    let Ok(repository) = Repository::open_bare(folder.git()) else { return false };
    let origin = repository.config().and_then(|config| config.get_string("tenantry.origin"));
    if origin.ok().as_deref() != Some(&origin_of(request)) {
        return false;
    }
    match repository.refname_to_id(HEAD) {
        Ok(head) => holds(&repository, head),
        // Nothing fetched yet is a fine start.
        Err(error) => error.code() == git2::ErrorCode::NotFound && folder.packs() == 0,
    }
}

/// The address of the copy's repository. Two addresses may share a commit but nothing else.
fn origin_of(request: &Request) -> String {
    request.url.clone()
}

fn create(folder: &Folder, request: &Request) -> Result<(), Failure> {
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false).no_reinit(true);
    Repository::init_opts(folder.git(), &options)
        .and_then(|repository| repository.config()?.set_str("tenantry.origin", &origin_of(request)))
        .map_err(|error| Failure::Disk {
            path: folder.git().display().to_string(),
            detail: error.message().to_owned(),
        })
}

/// Whether a commit and its tree are here and intact.
fn holds(repository: &Repository, commit: Oid) -> bool {
    repository.find_commit(commit).and_then(|commit| commit.tree()).is_ok()
}

/// One conversation with the server.
fn exchange(
    folder: &Folder,
    request: &Request,
    commit: CommitId,
    server: &Server,
    fresh: bool,
) -> Result<Done, Failure> {
    let pinned = matches!(request.reference, Reference::Commit(_));
    match converse(folder, request, commit, fresh.then_some(1)) {
        Ok(Ok(commit)) => Ok(Done::Fetched { commit: commit.into(), received: 0, stored: 0, fresh }),
        Ok(Err(failure)) => Err(failure),
        Err(error) => match server.explain(&error) {
            // The words of git's own server for a commit that it does not have.
            Err(Failure::Remote { message }) if pinned && message.contains("not our ref") => {
                Err(no_such_commit())
            }
            explained => explained,
        },
    }
}

/// Commits brought by each further try to reach back to the last accepted one; the last number is all of them.
const DEPTHS: [i32; 3] = [64, 1024, i32::MAX];

/// Brings history until that since `base` is whole. What can't be had is no failure of the fetch: whoever
/// needs it finds it missing, and says so.
fn deepen(folder: &Folder, request: &Request, commit: CommitId, base: CommitId) {
    for depth in DEPTHS {
        if read::whole(folder, base, commit)
            || !matches!(converse(folder, request, commit, Some(depth)), Ok(Ok(_)))
        {
            return;
        }
    }
}

fn no_such_commit() -> Failure {
    Failure::ReferenceNotFound { existing: Vec::new(), more: 0 }
}

fn converse(
    folder: &Folder,
    request: &Request,
    wanted: CommitId,
    depth: Option<i32>,
) -> Result<Result<Oid, Failure>, git2::Error> {
    let repository = Repository::open_bare(folder.git())?;
    let mut remote = repository.remote_anonymous(&request.url)?;
    remote.connect(Direction::Fetch)?;
    let found = match refs::find(remote.list()?, request) {
        Ok(found) => found,
        Err(failure) => return Ok(Err(failure)),
    };
    let mut options = FetchOptions::new();
    options.download_tags(AutotagOption::None).update_fetchhead(false);
    if let Some(depth) = depth {
        options.depth(depth);
    }
    let specs = match &found.name {
        Some(name) => vec![format!("+{name}:{HEAD}")],
        None => vec![format!("+{}:{HEAD}", found.commit)],
    };
    let mut fetched = remote.fetch(&specs, Some(&mut options), None);
    if found.name.is_none()
        && fetched.as_ref().is_err_and(|error| error.message().contains("specific object"))
    {
        fetched = everything(&mut remote);
    }
    fetched?;
    // The server may have moved the branch between our two questions.
    let tip = match &request.reference {
        Reference::Commit(_) => found.commit,
        _ => repository
            .refname_to_id(HEAD)
            .and_then(|id| repository.find_object(id, None)?.peel_to_commit())?
            .id(),
    };
    let tip = wanted.oid().ok().filter(|wanted| holds(&repository, *wanted)).unwrap_or(tip);
    if !holds(&repository, tip) {
        return Ok(Err(match &request.reference {
            Reference::Commit(_) => no_such_commit(),
            _ => Failure::Corrupt { detail: format!("commit {tip} did not arrive whole") },
        }));
    }
    repository.reference(HEAD, tip, true, "fetched")?;
    Ok(Ok(tip))
}

/// For a commit that is no branch's tip, on a server that serves nothing else: all branches with
/// their history, within the limit in bytes.
fn everything(remote: &mut git2::Remote<'_>) -> Result<(), git2::Error> {
    let mut options = FetchOptions::new();
    options.download_tags(AutotagOption::All).update_fetchhead(false);
    remote.fetch(&["+refs/heads/*:refs/tenantry/heads/*"], Some(&mut options), None)
}

//! Bringing the notes with approvals: their newest state alone, for notes have a history that nobody reads here.

use git2::{AutotagOption, Direction, FetchOptions, Repository};

use super::super::folder::Folder;
use super::super::protocol::{Done, Failure, Request};
use super::super::read::APPROVALS;
use super::super::settings::CommitId;
use super::{fetch::disk, server::Server};

/// Where they are kept here.
const HERE: &str = "refs/tenantry/approvals";

/// Fetches the notes; they are what the server has now, which may be newer than what was asked for.
pub(super) fn fetch(request: &Request, server: &Server) -> Result<Done, Failure> {
    server.register()?;
    let folder = Folder::new(&request.repository);
    let _lock = folder.lock().map_err(|error| disk(request, &error))?.ok_or(Failure::Busy)?;
    // The folder may now be past its limit: then the next fetch makes the copy anew.
    match converse(&folder, request) {
        Ok(tip) => Ok(Done::Notes { tip: tip.map(CommitId::from) }),
        Err(error) => server.explain(&error),
    }
}

fn converse(folder: &Folder, request: &Request) -> Result<Option<git2::Oid>, git2::Error> {
    let repository = Repository::open_bare(folder.git())?;
    let mut remote = repository.remote_anonymous(&request.url)?;
    remote.connect(Direction::Fetch)?;
    if !remote.list()?.iter().any(|head| head.name() == APPROVALS) {
        return Ok(None);
    }
    let mut options = FetchOptions::new();
    options.download_tags(AutotagOption::None).update_fetchhead(false).depth(1);
    remote.fetch(&[format!("+{APPROVALS}:{HERE}")], Some(&mut options), None)?;
    // Whoever pushes may let the reference name anything: what is no commit holds no notes.
    let commit = repository.find_reference(HERE)?.peel_to_commit();
    Ok(commit.ok().filter(|commit| commit.tree().is_ok()).map(|commit| commit.id()))
}

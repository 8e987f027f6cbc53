//! Which commit a reference names on the server.

use git2::{Direction, Oid, Remote, RemoteHead};

use super::super::protocol::{Done, Failure, Request};
use super::super::settings::Reference;
use super::server::Server;

/// Names listed in an error.
const NAMES: usize = 5;

/// Asks the server for its references and looks up ours. Needs no repository.
pub(super) fn resolve(request: &Request, server: Server) -> Result<Done, Failure> {
    server.register()?;
    let mut remote = match Remote::create_detached(request.url.as_str()) {
        Ok(remote) => remote,
        Err(error) => return server.explain(&error),
    };
    let listed =
        remote.connect(Direction::Fetch).and_then(|()| remote.list().map(|heads| find(heads, request)));
    match listed {
        Ok(found) => found.map(|found| Done::Resolved { commit: found.commit.into() }),
        Err(error) => server.explain(&error),
    }
}

/// A reference found on the server.
pub(super) struct Found {
    pub commit: Oid,
    /// What to fetch to get it; `None` when no reference ends there.
    pub name: Option<String>,
}

/// Looks up the request's reference in the server's list.
pub(super) fn find(heads: &[RemoteHead<'_>], request: &Request) -> Result<Found, Failure> {
    if heads.is_empty() {
        return Err(Failure::EmptyRepository);
    }
    let named = |name: &str| heads.iter().find(|head| head.name() == name);
    let (Reference::Branch(name) | Reference::Tag(name) | Reference::Commit(name)) = &request.reference;
    let Some(full) = request.reference.full_name() else {
        let commit =
            Oid::from_str(name).map_err(|_| Failure::Other { detail: "not a commit id".to_owned() })?;
        let tip = heads.iter().find(|head| head.oid() == commit && !head.name().ends_with("^{}"));
        return Ok(Found { commit, name: tip.map(|head| head.name().to_owned()) });
    };
    // An annotated tag is listed twice: as itself, and peeled to its commit.
    let tip = named(&format!("{full}^{{}}")).or_else(|| named(&full));
    match tip {
        Some(head) => Ok(Found { commit: head.oid(), name: Some(full) }),
        None => Err(missing(heads, &full)),
    }
}

fn missing(heads: &[RemoteHead<'_>], full: &str) -> Failure {
    let prefix = if full.starts_with("refs/tags/") { "refs/tags/" } else { "refs/heads/" };
    let names = heads.iter().map(RemoteHead::name).filter(|name| !name.ends_with("^{}"));
    let mut names: Vec<&str> = names.filter_map(|name| name.strip_prefix(prefix)).collect();
    // The server's default branch is the likeliest correction.
    let default = heads.iter().find(|head| head.name() == "HEAD").and_then(RemoteHead::symref_target);
    let default = default.and_then(|name| name.strip_prefix(prefix));
    names.sort_by_key(|name| (Some(*name) != default, *name));
    Failure::ReferenceNotFound {
        existing: names.iter().take(NAMES).map(|name| (*name).to_owned()).collect(),
        more: names.len().saturating_sub(NAMES),
    }
}

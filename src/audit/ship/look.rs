//! A look at the archive, as its writer: what it is, and what the writer can do that it must not.

use crate::store::address::Written;
use crate::store::verdict::{Answer, Owner};
use crate::store::{Class, Store, StoreError};

use super::checks::{Findings, Right};
use super::sink::Sink;

/// What lies under the key that writes are tried on.
const PROBE: &[u8] = b"Tenantry tries here whether this archive refuses to read, overwrite and remove.\n";
/// The key that writes are tried on: the stream's folder and this, so that it lies beside the log.
const KEY: &str = ".probe";
/// A key that nobody ever writes: where removing is allowed after all, it hides nothing.
const NOBODYS: &str = ".probe-removed";

/// Asks everything that [`super::checks::judge`] wants to know. `folder` is the stream's; `version` that of the probe
/// where it is known, and becomes so when it is written.
pub async fn look(sink: &Sink, folder: &str, version: &mut Option<String>) -> Findings {
    let store = match sink.writer().store().await {
        Ok(store) => store,
        Err(error) => return nothing(Err(error.clone()), &error),
    };
    let owner = store.owned_by_settings().await;
    if !matches!(owner, Ok(Owner::Right | Owner::Untold)) {
        // The rest would fail in the same way, or be asked of a stranger.
        let stranger = StoreError {
            class: Class::Denied,
            action: "ask",
            place: sink.bucket().to_owned(),
            said: "it is another account's".to_owned(),
            written: Written::Flags,
        };
        let error = owner.clone().err().unwrap_or(stranger);
        return Findings { ahead: store.clock().ahead(), ..nothing(owner, &error) };
    }
    let probe = format!("{folder}{KEY}");
    let conditional = refuses_to_overwrite(&store, &probe, version).await;
    let (account, versioned, lock, rights) = tokio::join!(
        sink.writer().account(),
        store.versioned(),
        store.default_lock(),
        rights(&store, folder, &probe, version.as_deref())
    );
    Findings { owner, account, versioned, lock, conditional, rights, ahead: store.clock().ahead() }
}

fn nothing(owner: Answer<Owner>, error: &StoreError) -> Findings {
    Findings {
        owner,
        account: Err(error.clone()),
        versioned: Err(error.clone()),
        lock: Err(error.clone()),
        conditional: Err(error.clone()),
        rights: Vec::new(),
        ahead: None,
    }
}

/// The object is written once for the life of the stream, so that its lock costs one version.
async fn refuses_to_overwrite(store: &Store, key: &str, version: &mut Option<String>) -> Answer<bool> {
    match store.put_once(key, PROBE).await {
        Ok(put) => *version = put.version,
        Err(error) if error.class == Class::Exists => return Ok(true),
        Err(error) => return Err(error),
    }
    match store.put_once(key, PROBE).await {
        Ok(_) => Ok(false),
        Err(error) if error.class == Class::Exists => Ok(true),
        Err(error) => Err(error),
    }
}

async fn rights(
    store: &Store,
    folder: &str,
    probe: &str,
    version: Option<&str>,
) -> Vec<(Right, Answer<bool>)> {
    let nobodys = format!("{folder}{NOBODYS}");
    let remove_version = async {
        match version {
            Some(version) => Some(allowed(store.remove_version(probe, version).await)),
            None => None,
        }
    };
    let (read, list, remove, remove_version) = tokio::join!(
        store.get(probe, PROBE.len()),
        store.list(folder, "", 1),
        store.remove(&nobodys),
        remove_version
    );
    let mut rights =
        vec![(Right::Read, allowed(read)), (Right::List, allowed(list)), (Right::Remove, allowed(remove))];
    rights.extend(remove_version.map(|tried| (Right::RemoveVersion, tried)));
    rights
}

fn allowed<T>(tried: Answer<T>) -> Answer<bool> {
    match tried {
        Ok(_) => Ok(true),
        // MinIO says of an object under lock that the request is invalid.
        Err(error) if matches!(error.class, Class::Denied | Class::Invalid) => Ok(false),
        // More than the probe: it was read.
        Err(error) if error.class == Class::Unexpected => Ok(true),
        Err(error) => Err(error),
    }
}

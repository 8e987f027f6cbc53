//! Deletes what the inventory says we made and nobody wants any more: by uid, in reverse order.

use tracing::info;

use crate::{
    api::{kinds::ObjectId, tenant_status::InventoryEntry},
    observe::world::id,
    runtime::call::CallError,
};

use super::{
    pass::{Failure, Pass, Request},
    plan,
    writer::{Deleted, Writer},
};

/// Deletes the entries. What is still there afterwards stays in the inventory.
pub(super) async fn run(
    writer: &Writer,
    request: &Request<'_>,
    entries: Vec<InventoryEntry>,
    pass: &mut Pass,
) {
    for entry in entries {
        let Some(id) = id(&entry) else {
            pass.inventory.push(entry);
            continue;
        };
        let leaving = request.live.get(&id).is_some_and(|live| live.terminating);
        if !pass.failures.is_empty() || leaving || request.in_use.contains(&id) {
            pass.pending.push(id);
            pass.inventory.push(entry);
            continue;
        }
        let uid = match uid_of(writer, request, &entry, &id).await {
            Ok(Some(uid)) => uid,
            Ok(None) => continue,
            Err(error) => {
                pass.failures.push(Failure { id, problem: error.into() });
                pass.inventory.push(entry);
                continue;
            }
        };
        match writer.delete(&id, &uid).await {
            Ok(Deleted::Gone) => {
                info!(object = %id, "deleted: no longer wanted");
                pass.deleted.push((id, uid));
            }
            Ok(Deleted::Pending) => {
                pass.pending.push(id);
                pass.inventory.push(plan::leaving(entry));
            }
            // It may have been heard all the same.
            Err(error) => {
                pass.failures.push(Failure { id, problem: error.into() });
                pass.inventory.push(plan::leaving(entry));
            }
        }
    }
}

/// The uid to delete: the recorded one. An entry without one was announced and perhaps never written; the
/// live object is ours only if it carries our marks. `None` drops the entry: so it is asked for by name
/// where the watches don't show it, as a write that timed out may have come through since.
async fn uid_of(
    writer: &Writer,
    request: &Request<'_>,
    entry: &InventoryEntry,
    id: &ObjectId,
) -> Result<Option<String>, CallError> {
    if !entry.uid.is_empty() {
        return Ok(Some(entry.uid.clone()));
    }
    let live = match request.live.get(id) {
        Some(live) => live.clone(),
        None => match writer.look(id).await? {
            Some(live) => live,
            None => return Ok(None),
        },
    };
    Ok(((&*live.tenant, &*live.install_id) == request.owner).then(|| live.uid.to_string()))
}

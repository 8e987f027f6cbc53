//! Deletes what the inventory says we made and nobody wants any more: by uid, in reverse order.

use tracing::info;

use crate::{
    api::{kinds::ObjectId, tenant_status::InventoryEntry},
    observe::world::id,
};

use super::{
    pass::{Failure, Pass, Request},
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
        let Some(uid) = uid_of(request, &entry, &id) else { continue };
        match writer.delete(&id, &uid).await {
            Ok(Deleted::Gone) => {
                info!(object = %id, "deleted: no longer wanted");
                pass.deleted.push(id);
            }
            Ok(Deleted::Pending) => {
                pass.pending.push(id);
                pass.inventory.push(entry);
            }
            Err(error) => {
                pass.failures.push(Failure { id, problem: error.into() });
                pass.inventory.push(entry);
            }
        }
    }
}

/// The uid to delete: the recorded one. An entry without one was announced and perhaps never written; the
/// live object is ours only if it carries our marks. `None` drops the entry.
fn uid_of(request: &Request<'_>, entry: &InventoryEntry, id: &ObjectId) -> Option<String> {
    if !entry.uid.is_empty() {
        return Some(entry.uid.clone());
    }
    let live = request.live.get(id)?;
    ((&*live.tenant, &*live.install_id) == request.owner).then(|| live.uid.to_string())
}

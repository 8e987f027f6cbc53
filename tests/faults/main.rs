//! Faults of the API server, of the cluster and of ourselves. One cluster; the tests have it one after the
//! other, because each does something to the operator.

#![allow(missing_docs, reason = "the names of tests are their documentation")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod app;
mod crash;
mod crds;
#[path = "../support/forge.rs"]
mod fake_forge;
mod forge;
mod gitea;
mod held;
mod leaders;
mod quiet;
mod reviews;
mod watchdog;
mod zone_loss;

use support::{Kit, Outcome};
use tokio::sync::{Mutex, MutexGuard};

/// The cluster for one test alone, with an operator that runs and a proxy without faults; `None` when the
/// test must be skipped.
pub(crate) async fn alone() -> Outcome<Option<(MutexGuard<'static, ()>, Kit)>> {
    static TURN: Mutex<()> = Mutex::const_new(());
    let turn = TURN.lock().await;
    let Some(kit) = Kit::new().await? else { return Ok(None) };
    kit.world.proxy.heal_all();
    let runs = kit.world.operator().as_ref().is_some_and(|operator| operator.ended().is_none());
    if !runs {
        kit.world.start_operator(&[]).await?;
    }
    Ok(Some((turn, kit)))
}

//! Counts now and then whether the pods of each zone would find room elsewhere.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use tracing::warn;

use crate::observe::{
    census,
    loss::{Fits, fits},
};

use super::context::Context;

/// Part of the period that the first count waits: a start is busy enough.
const FIRST: u32 = 20;

/// Counts that may fail in a row before the last one is no evidence any more.
const STALE: u32 = 3;

/// The same words each time, so that the same state writes nothing.
const STALE_WORDS: &str = "pods and nodes couldn't be counted for long; the operator's log says why";

/// Counts every `period` until it is dropped.
pub async fn run(ctx: Context, period: Duration) {
    let mut ticks = tokio::time::interval_at((Instant::now() + period / FIRST).into(), period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        ticks.tick().await;
        let signals = match count(&ctx).await {
            Ok(fits) => {
                last = Instant::now();
                ctx.world().counted(fits)
            }
            Err(why) => {
                warn!(%why, "the room for pods of a lost zone can't be counted");
                let stale = last.elapsed() > period * STALE;
                if stale { ctx.world().not_counted(STALE_WORDS) } else { Vec::new() }
            }
        };
        signals.into_iter().for_each(|signal| ctx.signal(signal));
    }
}

/// Every Platform's label for zones is played through by itself.
async fn count(ctx: &Context) -> Result<Fits, String> {
    let keys = ctx.world().zone_keys().cloned().collect::<BTreeSet<_>>();
    if keys.is_empty() {
        return Ok(Fits::new());
    }
    let counted = census::take(&ctx.client).await.map_err(|error| error.to_string())?;
    // Thousands of pods looking for a place take a moment: not on a thread that others wait for.
    let work = move || keys.iter().flat_map(|key| fits(&counted, key)).collect();
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())
}

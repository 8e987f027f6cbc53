//! The agent on a control-plane node: sources, the spool, and what brings it to the archive.
//!
//! - [`feed`]: what a source is
//! - [`pages`]: how it does, for probes, people and scrapers
//! - [`shipping`]: what brings the spool to the archive
//! - [`servers`], [`watch`]: whether everything arrives; [`publish`]: says so
//!
//! ```text
//! log file, webhook, trail, … ─► spool ─► shipper ─► the archive account
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;
use tokio::task::JoinSet;
use tracing::{error, info};

pub mod feed;
pub mod pages;
pub mod publish;
pub mod servers;
pub mod shipping;
pub mod watch;

use super::own::Own;
use super::spool::Spool;
use super::spool::batch::Batch;
use crate::runtime::http::Server;
use crate::runtime::shutdown::{GRACE, Shutdown, drain};
use feed::Feed;
use pages::{Pages, Row, Shown};

/// Time without a record after which the agent says that it lives. With the 20 s after which a segment is sealed, a
/// checkpoint follows the last one within a minute.
pub const IDLE: Duration = Duration::from_secs(20);

/// What brings sealed segments to the archive, and forgets them when they are proved to be there.
pub trait Shipper: Send + 'static {
    /// Asked whenever somebody looks: what to show of it.
    fn status(&self) -> Arc<dyn Fn() -> Value + Send + Sync>;

    /// Ships until the stop is asked for: [`Spool::sealed`] and [`Spool::read`] give segments, [`Spool::seals`] says when
    /// there is another, and [`Spool::forget`] takes them away.
    fn run(self: Box<Self>, spool: Spool, shutdown: Shutdown) -> BoxFuture<'static, ()>;
}

/// What an agent is made of.
pub struct Agent {
    /// The cluster's name.
    pub cluster: String,
    /// Its own.
    pub agent: String,
    /// Where records go.
    pub spool: Spool,
    /// Where they come from.
    pub feeds: Vec<Box<dyn Feed>>,
    /// Further numbers to show, by what they count and a label: `("webhook_answers", "taken")`.
    pub rows: Vec<Row>,
    /// Who ships; without one, records stay in the spool.
    pub shipper: Option<Box<dyn Shipper>>,
    /// What else runs as long as the agent does: by name.
    pub others: Vec<(&'static str, BoxFuture<'static, ()>)>,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("cluster", &self.cluster)
            .field("agent", &self.agent)
            .finish_non_exhaustive()
    }
}

/// A part of the agent ended although nobody asked it to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} ended by itself; what was acknowledged is in the spool, and the next start goes on")]
pub struct Ended(String);

impl Agent {
    /// Works until the stop is asked for; then what was taken is on disk.
    ///
    /// # Errors
    /// A part of it ended.
    pub async fn run(self, server: Server, shutdown: Shutdown) -> Result<(), Ended> {
        let Self { cluster, agent, spool, feeds, rows, shipper, others } = self;
        let states = feeds.iter().map(|feed| (feed.name().to_owned(), feed.state())).collect();
        let status = shipper.as_ref().map(|shipper| shipper.status());
        let spooled = spool.clone();
        let pages: Pages = Shown { cluster, agent, spool: spooled, states, rows, shipper: status }.into();
        let mut parts: JoinSet<String> = JoinSet::new();
        let listening = shutdown.clone();
        parts.spawn(async move {
            pages.serve(server, listening).await;
            "the status page".to_owned()
        });
        for feed in feeds {
            let name = format!("source {}", feed.name());
            let work = feed.run(spool.clone(), shutdown.clone());
            parts.spawn(async move {
                work.await;
                name
            });
        }
        if let Some(shipper) = shipper {
            let work = shipper.run(spool.clone(), shutdown.clone());
            parts.spawn(async move {
                work.await;
                "the shipper".to_owned()
            });
        }
        for (name, work) in others {
            parts.spawn(async move {
                work.await;
                name.to_owned()
            });
        }
        let living = live(spool.clone(), shutdown.clone());
        parts.spawn(async move {
            living.await;
            "the sign of life".to_owned()
        });
        let ended = shutdown.unless_requested(parts.join_next()).await.flatten();
        // Between the look at the stop and the look at the parts, one of them may have heard of it.
        let ended = ended
            .filter(|_| !shutdown.is_requested())
            .map(|ended| Ended(ended.unwrap_or_else(|_| "a part that panicked".to_owned())));
        match &ended {
            Some(ended) => error!(%ended, "stopping"),
            None => {
                drain(parts, GRACE).await;
            }
        }
        spool.close().await;
        info!(records = spool.figures().records, "stopped");
        ended.map_or(Ok(()), Err)
    }
}

/// Says that the agent lives whenever nothing else was written for a while.
async fn live(spool: Spool, shutdown: Shutdown) {
    let mut known = spool.figures().records;
    while shutdown.unless_requested(tokio::time::sleep(IDLE)).await.is_some() {
        if spool.figures().records == known {
            let record = Own::Heartbeat { id: rand::random() }.record(Timestamp::now());
            // Waits when there is no room, as all others do.
            let append = spool.append(Batch::own(record));
            if !matches!(shutdown.unless_requested(append).await, Some(Ok(_))) {
                break;
            }
        }
        known = spool.figures().records;
    }
    // Not by itself: the stop was asked for, or the spool closed because of it.
    shutdown.requested().await;
}

#[cfg(test)]
mod tests;

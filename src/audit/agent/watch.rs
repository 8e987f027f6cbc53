//! Whether everything arrives: sealed segments are read once more, canaries sent, counters compared.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::watch;
use tracing::warn;

use super::servers::ApiServer;
use crate::api::conditions::reasons;
use crate::audit::complete::canary::Canaries;
use crate::audit::complete::counters::{Counted, Failures};
use crate::audit::complete::pairs::Pairs;
use crate::audit::complete::reconcile::{Arrived, Asked, Reconciled};
use crate::audit::complete::state::{Agent, Gap, Server, Trouble};
use crate::audit::frame::{Found, Lost, Record, Source, scan};
use crate::audit::leaf::Identity;
use crate::audit::search::Seen;
use crate::audit::ship::run::State as Shipped;
use crate::audit::spool::{self, Segment, Spool};
use crate::audit::verify::gaps::Said;
use crate::runtime::shutdown::Shutdown;

/// Time between two canaries.
pub const EVERY: Duration = Duration::from_secs(30);
/// Gaps that are told; the log has all of them.
const MOST_GAPS: usize = 16;

/// What is known of one API server.
struct Known {
    server: ApiServer,
    canaries: Canaries,
    failures: Failures,
    unasked: Option<String>,
}

/// A segment that isn't verified yet.
struct Waiting {
    last: u64,
    received: Timestamp,
}

/// Watches one agent's log.
pub struct Watch {
    names: (String, String),
    spool: Spool,
    shipped: watch::Receiver<Shipped>,
    known: Vec<Known>,
    /// Of all API servers together: an event doesn't say which one it came from.
    reconciled: Reconciled,
    every: Duration,
    /// The first record that wasn't read yet.
    next: u64,
    seen: Seen,
    pairs: Pairs,
    gaps: Vec<Gap>,
    unread: Vec<String>,
    waiting: Vec<Waiting>,
    tell: watch::Sender<Agent>,
}

impl Watch {
    /// Watches from now on. `lost` is what the spool found missing at its start.
    #[must_use]
    pub fn new(
        (cluster, agent): (&str, &str),
        spool: Spool,
        shipped: watch::Receiver<Shipped>,
        servers: Vec<ApiServer>,
        lost: &[Lost],
    ) -> Self {
        let known = servers.into_iter().map(|server| Known {
            server,
            canaries: Canaries::default(),
            failures: Failures::default(),
            unasked: None,
        });
        let next = *spool.seals().borrow();
        Self {
            names: (cluster.to_owned(), agent.to_owned()),
            reconciled: Reconciled::new(spool.sealed_after()),
            spool,
            shipped,
            known: known.collect(),
            every: EVERY,
            next,
            seen: Seen::default(),
            pairs: Pairs::default(),
            gaps: lost.iter().map(|(first, last)| Gap { first: *first, last: *last }).collect(),
            unread: Vec::new(),
            waiting: Vec::new(),
            tell: watch::channel(Agent::default()).0,
        }
    }

    /// Asks API servers that often, instead of [`EVERY`].
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// What it finds.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<Agent> {
        self.tell.subscribe()
    }

    /// Watches until the stop is asked for.
    pub async fn run(mut self, shutdown: Shutdown) {
        let mut seals = self.spool.seals();
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let work = async {
                tokio::select! {
                    _ = ticks.tick() => self.ask().await,
                    // Without a shipper nobody ever says how far it is: that ends nothing.
                    Ok(()) = seals.changed() => self.read().await,
                    Ok(()) = self.shipped.changed() => {}
                }
            };
            if shutdown.unless_requested(work).await.is_none() {
                return;
            }
            self.settle(Timestamp::now());
        }
    }

    /// Sends a canary through each API server, and reads its counters.
    async fn ask(&mut self) {
        let (began, mut all, mut own) = (Timestamp::now(), Vec::new(), None);
        for known in &mut self.known {
            let at = Timestamp::now();
            let (canary, counted) = tokio::join!(known.server.canary(), known.server.counted());
            known.unasked = canary.as_ref().err().or(counted.as_ref().err()).cloned();
            if let Ok(id) = canary {
                known.canaries.sent(id, at);
            }
            if let Ok((counted, id)) = counted {
                known.failures.look(&counted);
                all.push(counted);
                own = id;
            }
        }
        // Without one of them, the others' sum says nothing.
        if !all.is_empty() && all.len() == self.known.len() {
            let alone = all.len() == 1;
            let asked = Asked { began, ended: Timestamp::now(), audit_id: own.filter(|_| alone) };
            self.reconciled.look(&Counted::sum(&all), alone, asked);
        }
        self.pairs.age(Timestamp::now().as_millisecond());
    }

    /// Reads what was sealed since.
    async fn read(&mut self) {
        let next = self.next;
        for segment in self.spool.sealed().into_iter().filter(|one| one.first >= next) {
            let spool = self.spool.clone();
            let bytes = tokio::task::spawn_blocking(move || spool.read(segment)).await;
            match bytes {
                Ok(Ok(bytes)) => self.take(segment, &bytes),
                Ok(Err(error)) => warn!(first = segment.first, %error, "a sealed segment can't be read"),
                Err(_) => warn!(first = segment.first, "a sealed segment can't be read"),
            }
            self.next = segment.last + 1;
        }
    }

    fn take(&mut self, segment: Segment, bytes: &[u8]) {
        let (mut begin, mut said) = (None, Said::default());
        for found in scan(bytes) {
            let Found::Record { record, .. } = found else { continue };
            begin.get_or_insert(record.received);
            said.record(&record);
            if !matches!(record.source, Source::AuditFile | Source::AuditWebhook) {
                continue;
            }
            let event = arrived(&record);
            let id = &event.id;
            if !self.seen.is_new(&id.audit_id, &id.stage) {
                continue;
            }
            self.reconciled.received(&event);
            self.pairs.event(&id.audit_id, &id.stage, record.received);
            for known in self.known.iter_mut().filter(|known| known.canaries.waits()) {
                known.canaries.received(&id.audit_id, record.seq);
            }
        }
        self.gaps.extend(said.gaps.into_iter().map(|gap| Gap { first: gap.first, last: gap.last }));
        let extra = self.gaps.len().saturating_sub(MOST_GAPS);
        self.gaps.drain(..extra);
        self.unread.extend(said.source_gaps.iter().map(ToString::to_string));
        let extra = self.unread.len().saturating_sub(MOST_GAPS);
        self.unread.drain(..extra);
        let received = begin.and_then(|at| Timestamp::from_millisecond(at).ok());
        self.waiting.extend(received.map(|received| Waiting { last: segment.last, received }));
    }

    /// What is known of each, and of all together: of several nobody can say who lost an event.
    fn servers(&self, now: Timestamp) -> Vec<Server> {
        let mut all: Vec<Server> = self.known.iter().map(|known| known.told(self.pairs.unended())).collect();
        let dropped = self.reconciled.dropped(now);
        if let [one] = all.as_mut_slice() {
            one.dropped = dropped;
        } else if dropped > 0 {
            let address = all.iter().map(|one| one.address.as_str()).collect::<Vec<_>>().join(" or ");
            let canary = all.iter().map(|one| one.canary).min().flatten();
            all.push(Server { address, dropped, canary, ..Server::default() });
        }
        all
    }

    fn settle(&mut self, now: Timestamp) {
        let shipped = self.shipped.borrow_and_update().clone();
        let verified = shipped.verified.as_ref().map_or(0, |verified| verified.next);
        self.waiting.retain(|one| one.last >= verified);
        for known in &mut self.known {
            known.canaries.verified(verified);
        }
        let figures = self.spool.figures();
        let mut troubles: Vec<Trouble> = figures.trouble.iter().map(of_spool).collect();
        let archive = shipped.archive.as_ref().filter(|(fit, ..)| !fit);
        let said = archive.map(|(_, reason, message)| (*reason, message.clone()));
        let said = said.into_iter().chain(shipped.trouble.clone()).chain(shipped.witness.clone());
        troubles.extend(said.map(|(reason, message)| Trouble { reason: reason.to_owned(), message }));
        let state = Agent {
            cluster: self.names.0.clone(),
            agent: self.names.1.clone(),
            epoch: figures.epoch,
            at: Some(now),
            records: figures.records,
            shipped: shipped.next,
            checkpoint: shipped.checkpoint,
            verified,
            witnessed: shipped.verified.as_ref().map(|verified| verified.at),
            oldest: self.waiting.first().map(|one| one.received),
            spool_bytes: figures.bytes,
            troubles,
            gaps: self.gaps.clone(),
            unread: self.unread.clone(),
            servers: self.servers(now),
        };
        self.tell.send_replace(state);
    }
}

fn arrived<'a>(record: &Record<'a>) -> Arrived<'a> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Time {
        stage_timestamp: Option<Timestamp>,
    }
    let Time { stage_timestamp } = serde_json::from_slice(record.bytes).unwrap_or_default();
    let received = || Timestamp::from_millisecond(record.received).unwrap_or_default();
    let in_order = record.source == Source::AuditFile;
    Arrived { id: Identity::of(record.bytes), at: stage_timestamp.unwrap_or_else(received), in_order }
}

impl Known {
    fn told(&self, unended: u64) -> Server {
        Server {
            address: self.server.address().to_owned(),
            dropped: 0,
            failed: self.failures.failed().values().sum(),
            canary: self.canaries.arrived(),
            unasked: self.unasked.clone(),
            unended,
        }
    }
}

fn of_spool(trouble: &spool::Trouble) -> Trouble {
    let reason = match trouble {
        spool::Trouble::Full(_) => reasons::SPOOL_FULL,
        spool::Trouble::Failing(_) => reasons::SPOOL_FAILING,
    };
    Trouble { reason: reason.to_owned(), message: trouble.to_string() }
}

#[cfg(test)]
mod tests;

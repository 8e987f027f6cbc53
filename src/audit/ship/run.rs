//! All of the shipping, until the process ends: looks at the archive, ships, listens to the witness, forgets.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::audit::layout;
use crate::audit::log::note::PublicKey;
use crate::audit::witness::refused::REFUSAL;
use crate::runtime::backoff::{Backoff, stretched, unit};
use crate::runtime::shutdown::Shutdown;
use crate::store::verdict::Judgement;
use crate::store::{Class, probe};

use super::checks::{judge, may_ship};
use super::cosigned::{self, Keys, Verified};
use super::look::look;
use super::shipper::{Shipped, Shipper, Step};
use super::sink::Sink;
use super::spool::ago;
use super::trouble::Trouble;

const VERIFIED: &str = "verified.json";
const PROBE: &str = "probe";

/// How it behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose cosignature is needed before a segment is forgotten.
    pub witness: Option<PublicKey>,
    /// Without a witness: how long segments stay after they were shipped. For ever when absent.
    pub forget_unverified_after: Option<Duration>,
    /// How often what.
    pub pace: Pace,
}

/// How often what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Whether there is a new segment.
    pub segments: Duration,
    /// What the witness says.
    pub witness: Duration,
    /// Whether the archive is what it must be.
    pub looks: Duration,
    /// After trouble.
    pub backoff: Backoff,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            segments: Duration::from_secs(1),
            witness: Duration::from_secs(15),
            looks: probe::EVERY,
            backoff: Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(60) },
        }
    }
}

/// How far it is, for status and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Leaves that are in the archive, under a checkpoint.
    pub size: u64,
    /// The first record that isn't.
    pub next: u64,
    /// When the last checkpoint was put.
    pub checkpoint: Option<Timestamp>,
    /// What the witness confirmed.
    pub verified: Option<Verified>,
    /// Segments that wait, as of the last look into the folder.
    pub waiting: usize,
    /// Bytes of all segments that are kept.
    pub spool_bytes: u64,
    /// What the last look at the archive said: whether it is fit, the reason, and words.
    pub archive: Option<(bool, &'static str, String)>,
    /// Why shipping doesn't go on.
    pub trouble: Option<(&'static str, String)>,
    /// What is wrong with the witness, or what it says.
    pub witness: Option<(&'static str, String)>,
    /// Records that were in no segment: first and last. The last of them only.
    pub missing: Option<(u64, u64)>,
    /// Stretches of shipped segments that were no records.
    pub damaged: u64,
}

/// Ships until the stop is asked for. `tell` has the state after each change.
pub async fn run(
    shipper: Shipper,
    sink: Arc<Sink>,
    settings: Settings,
    stop: Shutdown,
    tell: watch::Sender<State>,
) {
    let begin = Timestamp::now();
    let mut running = Running::new(shipper, sink, settings, begin);
    tell.send_replace(running.state.clone());
    loop {
        let worked = stop.unless_requested(running.pass()).await;
        tell.send_if_modified(|told| {
            let changed = *told != running.state;
            told.clone_from(&running.state);
            changed
        });
        let Some(pause) = worked else { return };
        if stop.unless_requested(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

struct Running {
    shipper: Shipper,
    sink: Arc<Sink>,
    settings: Settings,
    keys: Option<Keys>,
    begin: Timestamp,
    probe: Option<String>,
    may_ship: bool,
    failures: u32,
    next_look: Instant,
    next_listen: Instant,
    state: State,
}

impl Running {
    fn new(shipper: Shipper, sink: Arc<Sink>, settings: Settings, begin: Timestamp) -> Self {
        let log = shipper.key().public().clone();
        let keys = settings.witness.clone().map(|witness| Keys { log, witness });
        let load = |name: &str| shipper.folder().load(name).ok().flatten();
        let verified = load(VERIFIED).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let probe = load(PROBE).and_then(|bytes| String::from_utf8(bytes).ok());
        let state = State { size: shipper.size(), next: shipper.next(), verified, ..State::default() };
        let (failures, now) = (0, Instant::now());
        let may_ship = false;
        Self {
            shipper,
            sink,
            settings,
            keys,
            begin,
            probe,
            may_ship,
            failures,
            next_look: now,
            next_listen: now,
            state,
        }
    }

    /// Everything that is due; how long to wait then.
    async fn pass(&mut self) -> Duration {
        if Instant::now() >= self.next_look {
            self.look().await;
        }
        let shipped = if self.may_ship { self.ship().await } else { Ok(()) };
        self.tell(shipped.as_ref().err());
        if Instant::now() >= self.next_listen {
            self.listen().await;
            self.forget();
        }
        let failed = shipped.is_err() || !self.may_ship;
        self.failures = if failed { self.failures.saturating_add(1) } else { 0 };
        let pace = &self.settings.pace;
        if failed { pace.backoff.delay(self.failures, unit()) } else { pace.segments }
    }

    async fn look(&mut self) {
        let known = self.probe.clone();
        let at = self.shipper.stream().folder(self.sink.prefix());
        let findings = Box::pin(look(&self.sink, &at, &mut self.probe)).await;
        if let Some(version) = self.probe.as_ref().filter(|_| self.probe != known) {
            let saved = self.shipper.folder().save(PROBE, version.as_bytes());
            saved.unwrap_or_else(|error| warn!(%error, "what the archive is tried with is not kept"));
        }
        // A look that could ask nothing takes back no permission: then no put gets through either.
        self.may_ship = may_ship(&findings) || (self.may_ship && findings.owner.is_err());
        let Judgement { fit, reason, message } = judge(self.sink.bucket(), self.sink.asked(), &findings);
        let told = Some((fit, reason, message));
        if self.state.archive != told {
            match &told {
                Some((false, reason, message)) => error!(reason, "{message}"),
                Some((true, _, message)) => info!("{message}"),
                None => {}
            }
            self.state.archive = told;
        }
        // Without an answer it is asked again with the next try to ship.
        let soon = !self.may_ship || findings.owner.is_err();
        let pace = &self.settings.pace;
        self.next_look = Instant::now() + if soon { pace.segments } else { stretched(pace.looks, unit()) };
    }

    /// All segments that wait.
    async fn ship(&mut self) -> Result<(), Trouble> {
        let store = self.sink.writer().store().await?;
        loop {
            match self.shipper.step(&store, self.sink.prefix()).await? {
                Step::Idle => return Ok(()),
                Step::Shipped(shipped) => self.shipped(&shipped),
            }
            if Instant::now() >= self.next_look || Instant::now() >= self.next_listen {
                return Ok(());
            }
        }
    }

    fn shipped(&mut self, shipped: &Shipped) {
        let Shipped { first, last, size, missing, damaged } = shipped;
        info!(first, last, size, "a segment is in the archive");
        if let Some((first, last)) = missing {
            warn!(first, last, "records are in no segment: a file of the spool is gone");
            self.state.missing = *missing;
        }
        if *damaged > 0 {
            warn!(first, last, damaged, "a segment has damaged stretches, and is in the archive as it is");
            self.state.damaged += *damaged as u64;
        }
        (self.state.size, self.state.next) = (*size, shipped.last.saturating_add(1));
        self.state.checkpoint = Some(Timestamp::now());
        self.tell(None);
        self.failures = 0;
    }

    fn tell(&mut self, trouble: Option<&Trouble>) {
        let told = trouble.map(|trouble| (trouble.reason(), trouble.to_string()));
        let fresh =
            told.as_ref().map(|(reason, _)| reason) != self.state.trouble.as_ref().map(|(reason, _)| reason);
        match &told {
            Some((reason, message)) if fresh => error!(reason, "{message}"),
            None if fresh => info!("shipping goes on"),
            _ => {}
        }
        self.state.trouble = told;
        if let Ok(sealed) = self.shipper.folder().sealed() {
            self.state.spool_bytes = sealed.iter().map(|one| one.bytes).sum();
            self.state.waiting = sealed.iter().filter(|one| one.last >= self.shipper.next()).count();
        }
    }

    /// What the witness says.
    async fn listen(&mut self) {
        self.next_listen = Instant::now() + self.settings.pace.witness;
        let Some(keys) = self.keys.clone().filter(|_| self.sink.is_read()) else { return };
        let folder = self.shipper.stream().folder(self.sink.prefix());
        let key = format!("{folder}/{}", layout::CHECKPOINT);
        let found = match self.sink.checkpoint(&key).await {
            Ok(None) => Ok(None),
            Ok(Some(bytes)) => {
                let last = self.state.verified.as_ref();
                cosigned::judge(&key, &bytes, &keys, self.shipper.history(), last).map(Some)
            }
            // Who may not list is denied what isn't there yet.
            Err(error) if error.class == Class::Denied && self.state.verified.is_none() => Ok(None),
            Err(error) => Err(Trouble::Sink(error)),
        };
        let told = match found {
            Ok(found) => self.confirmed(found).err(),
            Err(trouble) => Some(trouble),
        };
        if let Some(Trouble::Fork { path, said }) = &told {
            let kept = self.shipper.forked(path, said);
            kept.unwrap_or_else(|error| error!(%error, "that somebody else writes this log is not kept"));
        }
        // Who may not list is denied what isn't there; and what can't be read now is read the next time.
        let refusal = self.sink.checkpoint(&format!("{folder}/{REFUSAL}")).await.ok().flatten();
        let last = self.state.verified.as_ref();
        let refused = refusal.and_then(|bytes| cosigned::refusal(&bytes, &keys, last));
        let told = told.or(refused);
        let late = || cosigned::stale(&key, self.state.verified.as_ref(), self.begin, Timestamp::now());
        let told = told.or_else(late).map(|trouble| (trouble.reason(), trouble.to_string()));
        if let Some((reason, message)) = told.as_ref().filter(|_| self.state.witness != told) {
            error!(reason, "{message}");
        }
        self.state.witness = told;
    }

    fn confirmed(&mut self, found: Option<Verified>) -> Result<(), Trouble> {
        let Some(verified) = found.filter(|found| self.state.verified != Some(*found)) else { return Ok(()) };
        self.shipper.folder().save(VERIFIED, &serde_json::to_vec(&verified).unwrap_or_default())?;
        self.shipper.confirmed(verified.size)?;
        self.state.verified = Some(verified);
        Ok(())
    }

    /// Segments that are safe elsewhere. Where the archive isn't fit, nothing is.
    fn forget(&mut self) {
        let fit = self.state.archive.as_ref().is_some_and(|(fit, ..)| *fit);
        let (below, before) = match (&self.keys, self.state.verified, self.settings.forget_unverified_after) {
            _ if !fit || self.state.witness.as_ref().is_some_and(|(reason, _)| *reason != STALE) => return,
            (Some(_), Some(verified), _) => (verified.next, None),
            (None, _, Some(after)) => (self.shipper.next(), Some(ago(after))),
            _ => return,
        };
        match self.shipper.folder().forget(below, before) {
            Ok(0) => {}
            Ok(count) => info!(count, below, "segments are forgotten, which are in the archive"),
            Err(error) => warn!(%error, "segments can't be forgotten"),
        }
    }
}

/// Of an old confirmation: what was confirmed stays so.
const STALE: &str = crate::api::conditions::reasons::WITNESS_STALE;

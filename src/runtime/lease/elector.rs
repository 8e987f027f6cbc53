//! The election's loop: look, decide, act, sleep.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use super::Settings;
use super::api::{LeaseApi, Record, Stored};
use super::decide::{Action, Seen, decide};
use super::leadership::{Leadership, Office, Renewal, State};
use crate::runtime::backoff::{stretched, unit};
use crate::runtime::call::{CallError, report};

/// The term in which we lead, and when its last successful renewal was sent.
#[derive(Clone, Copy, Debug)]
struct Term {
    number: i32,
    renewal: Renewal,
}

/// Takes part in the election for one Lease.
#[derive(Debug)]
pub struct Elector<A> {
    api: A,
    settings: Settings,
    office: Office,
    seen: Option<Seen>,
    leading: Option<Term>,
    /// The highest term that we know of.
    last_term: i32,
}

impl<A: LeaseApi> Elector<A> {
    /// An elector that has not looked yet, and the view of what it will find.
    pub fn new(api: A, settings: Settings) -> (Self, Leadership) {
        let (office, leadership) = Office::open();
        (Self { api, settings, office, seen: None, leading: None, last_term: 0 }, leadership)
    }

    /// Takes part until `stop` is ready. Then no guarded write starts any more;
    /// when those under way have ended, the Lease is released, if it is still ours.
    ///
    /// After a loss it stands for election again, in a new term; after a stop, when it is run again.
    pub async fn run(&mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            let round = async {
                let pause = self.round().await;
                sleep(pause).await;
            };
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = round => {}
            }
        }
        self.release().await;
    }

    /// One look and what follows from it; returns the pause before the next.
    async fn round(&mut self) -> Duration {
        if let Err(error) = self.attempt().await {
            let error = report(&error);
            warn!(error, leading = self.leading.is_some(), "cannot look after the Lease");
        }
        let pause = stretched(self.settings.retry, unit());
        match self.time_to_renew() {
            Some(left) if left.is_zero() => {
                self.step_down(None, "not renewed in time");
                pause
            }
            Some(left) => pause.min(left),
            None => self.time_to_take().map_or(pause, |left| pause.min(left)),
        }
    }

    /// How long somebody else's Lease still holds, if nothing is heard of them: nobody sleeps past its end.
    fn time_to_take(&self) -> Option<Duration> {
        let seen = self.seen.as_ref().filter(|seen| seen.stored.record.holder.is_some())?;
        let holds_for = seen.stored.record.duration.unwrap_or(self.settings.duration);
        holds_for.checked_sub(seen.at.elapsed()).filter(|left| !left.is_zero())
    }

    /// How long we may still lead without a renewal; `None` when we do not lead.
    fn time_to_renew(&self) -> Option<Duration> {
        let age = self.leading?.renewal.at.elapsed();
        Some(self.settings.renew_deadline.saturating_sub(age))
    }

    async fn attempt(&mut self) -> Result<(), CallError> {
        // The usual case: renew at the version that we wrote, one call.
        if let (Some(term), Some(seen)) = (self.leading, &self.seen) {
            let version = seen.stored.version.clone();
            match self.hold(term.number, Some(&version)).await {
                // Somebody wrote (it may have been us, unheard): look again.
                Err(CallError::Conflict(_) | CallError::NotFound(_)) => {}
                result => return result,
            }
        }
        let found = self.call(self.api.get()).await?;
        let now = Instant::now();
        let previous = self.seen.take();
        self.seen = found.map(|stored| Seen::next(previous, stored, now));
        if let Some(seen) = &self.seen {
            self.last_term = self.last_term.max(seen.stored.record.transitions);
        }
        let leading = self.leading.map(|term| term.number);
        match decide(&self.settings, leading, self.last_term, self.seen.as_ref(), now) {
            Action::StandBy { holder } => {
                self.step_down(Some(holder), "somebody else holds the Lease");
                Ok(())
            }
            Action::Create { term } => self.hold(term, None).await,
            Action::Take { term } | Action::Renew { term } => {
                let version = self.seen.as_ref().map(|seen| seen.stored.version.clone());
                self.hold(term, version.as_deref()).await
            }
        }
    }

    /// Writes a record of ours, over `version` or as a new Lease, and leads from
    /// the moment at which it was sent.
    async fn hold(&mut self, term: i32, version: Option<&str>) -> Result<(), CallError> {
        let renewal = Renewal::now();
        let record = self.record(term);
        let stored = match version {
            Some(version) => self.call(self.api.update(&record, version)).await?,
            None => self.call(self.api.create(&record)).await?,
        };
        self.lead(Term { number: term, renewal }, stored);
        Ok(())
    }

    fn record(&self, term: i32) -> Record {
        let now = Timestamp::now();
        let since = self
            .seen
            .as_ref()
            .filter(|_| self.leading.is_some_and(|leading| leading.number == term))
            .and_then(|seen| seen.stored.record.acquired);
        Record {
            holder: Some(self.settings.identity.clone()),
            duration: Some(self.settings.duration),
            acquired: Some(since.unwrap_or(now)),
            renewed: Some(now),
            transitions: term,
        }
    }

    fn lead(&mut self, term: Term, stored: Stored) {
        if self.leading.is_none_or(|leading| leading.number != term.number) {
            info!(term = term.number, identity = self.settings.identity, "leading");
        }
        self.last_term = self.last_term.max(term.number);
        self.seen = Some(Seen { stored, at: Instant::now() });
        self.leading = Some(term);
        let usable = self.settings.duration.saturating_sub(self.settings.margin);
        self.office.set(State::Leading { term: term.number, renewal: term.renewal, usable });
    }

    fn step_down(&mut self, holder: Option<String>, why: &str) {
        if let Some(term) = self.leading.take() {
            warn!(term = term.number, holder, why, "not leading any more");
        } else {
            debug!(holder, "standing by");
        }
        self.office.set(State::Standby { holder });
    }

    /// A call with its deadline, which is never later than our renewal's.
    async fn call<T>(&self, call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        let limit = self.time_to_renew().map_or(self.settings.call, |left| left.min(self.settings.call));
        timeout(limit, call).await.unwrap_or(Err(CallError::Timeout(limit)))
    }

    /// Gives the Lease back, so that another replica need not wait for its end.
    async fn release(&mut self) {
        let Some(term) = self.leading.take() else { return };
        self.office.set(State::Standby { holder: None });
        self.office.idle().await; // bounded: each write has a deadline before the lease's end
        for _ in 0..3 {
            match self.try_release(term).await {
                Ok(released) => {
                    info!(term = term.number, released, "election left");
                    return;
                }
                Err(CallError::Conflict(_)) => {} // a renewal of ours, cut off by the stop
                Err(error) => {
                    let error = report(&error);
                    warn!(error, "cannot release the Lease; it runs out by itself");
                    return;
                }
            }
        }
    }

    async fn try_release(&self, term: Term) -> Result<bool, CallError> {
        let Some(stored) = self.call(self.api.get()).await? else { return Ok(false) };
        let ours = stored.record.holder.as_ref() == Some(&self.settings.identity);
        if !ours || stored.record.transitions != term.number {
            return Ok(false);
        }
        let record = Record {
            holder: None,
            duration: Some(Duration::from_secs(1)), // as client-go does
            ..stored.record
        };
        self.call(self.api.update(&record, &stored.version)).await?;
        Ok(true)
    }
}

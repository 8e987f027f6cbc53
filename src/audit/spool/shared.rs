//! What the writer and its callers share.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::batch::Batch;
use super::open::Start;
use super::{Sealed, Segment, Trouble};

/// A batch that waits.
#[derive(Debug)]
pub(super) struct Job {
    pub batch: Batch,
    /// Told when all of it is safe; dropped when it never will be.
    pub done: Option<oneshot::Sender<Range<u64>>>,
    /// Given back when it has been told.
    pub _room: Option<OwnedSemaphorePermit>,
}

impl Job {
    /// One that nobody waits for.
    pub(super) fn unheard(batch: Batch) -> Self {
        Self { batch, done: None, _room: None }
    }
}

#[derive(Debug)]
pub(super) struct State {
    jobs: VecDeque<Job>,
    queued: usize,
    closing: bool,
    seal: bool,
    pub trouble: Option<Trouble>,
    pub sealed: Sealed,
    /// Of the segment that is being written: its first record and its bytes; whether it is there.
    pub open: (u64, u64),
    pub has_open: bool,
    /// Records that were acknowledged.
    pub next: u64,
    pub syncs: u64,
}

impl State {
    pub(super) fn bytes(&self) -> u64 {
        self.sealed.values().map(|(_, bytes)| bytes).sum::<u64>() + self.open.1
    }

    pub(super) fn segments(&self) -> Vec<Segment> {
        let segment = |(first, (last, bytes)): (&u64, &(u64, u64))| Segment {
            first: *first,
            last: *last,
            bytes: *bytes,
        };
        self.sealed.iter().map(segment).collect()
    }
}

/// What there is to do.
pub(super) enum Next {
    /// Write these.
    Write(Vec<Job>),
    /// Look whether a segment is to be sealed.
    Look,
    /// Nothing more will come.
    End,
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    room: Arc<Semaphore>,
    queue: usize,
    seals: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn new(queue: usize, start: &Start) -> Self {
        let queue = queue.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let state = State {
            jobs: VecDeque::new(),
            queued: 0,
            closing: false,
            seal: false,
            trouble: None,
            sealed: start.sealed.clone(),
            open: start.open.unwrap_or((start.next, 0)),
            has_open: start.open.is_some(),
            next: start.next,
            syncs: 0,
        };
        let seals = state.sealed.values().next_back().map_or(0, |(last, _)| last + 1);
        Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
            room: Arc::new(Semaphore::new(queue)),
            queue,
            seals: watch::Sender::new(seals),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn seals(&self) -> watch::Receiver<u64> {
        self.seals.subscribe()
    }

    /// Waits for room for that many bytes; what is longer than the whole queue has it for itself. `None` when closed.
    pub(super) async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes.clamp(1, self.queue)).unwrap_or(u32::MAX);
        Arc::clone(&self.room).acquire_many_owned(bytes).await.ok()
    }

    pub(super) fn push(&self, job: Job) {
        let mut state = self.state();
        if state.closing {
            // Whoever waits for it learns that it was dropped.
            return;
        }
        state.queued += job.batch.frames();
        state.jobs.push_back(job);
        drop(state);
        self.wake.notify_one();
    }

    pub(super) fn close(&self) {
        self.room.close();
        self.state().closing = true;
        self.wake.notify_one();
    }

    /// Nothing more will be written: whoever waits learns it.
    pub(super) fn end(&self) {
        self.close();
        let left = std::mem::take(&mut self.state().jobs);
        drop(left);
    }

    pub(super) fn ask_seal(&self) {
        self.state().seal = true;
        self.wake.notify_one();
    }

    /// Whether somebody asked for it since the last time.
    pub(super) fn seal_was_asked(&self) -> bool {
        std::mem::take(&mut self.state().seal)
    }

    /// Takes a segment out of the list, and has it removed before anybody else looks.
    pub(super) fn forget(
        &self,
        first: u64,
        remove: impl FnOnce(Segment) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut state = self.state();
        let last_one = state.sealed.keys().next_back() == Some(&first);
        if last_one && !state.has_open {
            return Ok(());
        }
        let Some((last, bytes)) = state.sealed.get(&first).copied() else { return Ok(()) };
        match remove(Segment { first, last, bytes }) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => state.sealed.remove(&first),
        };
        drop(state);
        // There may be room now.
        self.wake.notify_one();
        Ok(())
    }

    /// Lists sealed segments anew: others may remove some, too.
    pub(super) fn list(&self, look: impl FnOnce() -> io::Result<Sealed>) {
        let mut state = self.state();
        if let Ok(sealed) = look() {
            state.sealed = sealed;
        }
    }

    /// A segment was sealed.
    pub(super) fn sealed(&self, segment: Segment) {
        let mut state = self.state();
        state.sealed.insert(segment.first, (segment.last, segment.bytes));
        state.open = (segment.last + 1, 0);
        state.has_open = false;
    }

    /// Says so to whoever ships.
    pub(super) fn tell_sealed(&self, segment: Segment) {
        self.seals.send_replace(segment.last + 1);
    }

    /// Waits until there is a batch, or it is time to look after the segment. A batch that isn't full waits until
    /// `pause_ends`, so that others can share its sync.
    pub(super) fn next(&self, batch: usize, pause_ends: Instant, look: Option<Instant>) -> Next {
        let mut state = self.state();
        loop {
            let now = Instant::now();
            if state.seal || look.is_some_and(|at| at <= now) {
                return Next::Look;
            }
            let waiting = !state.jobs.is_empty();
            if waiting && (state.queued >= batch || pause_ends <= now || state.closing) {
                return Next::Write(take(&mut state, batch));
            }
            if state.closing && !waiting {
                return Next::End;
            }
            let until = [waiting.then_some(pause_ends), look].into_iter().flatten().min();
            state = match until {
                Some(until) => {
                    let most = until.saturating_duration_since(now);
                    self.wake.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Waits a moment before the next try; whether it is closed.
    pub(super) fn rest(&self, most: Duration) -> bool {
        let state = self.state();
        if state.closing {
            return true;
        }
        let (state, _) = self.wake.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner);
        state.closing
    }
}

/// Jobs from the front: as many as fit, and one at least.
fn take(state: &mut State, batch: usize) -> Vec<Job> {
    let (mut jobs, mut bytes) = (Vec::new(), 0);
    while let Some(job) = state.jobs.front() {
        let more = job.batch.frames();
        if !jobs.is_empty() && bytes + more > batch {
            break;
        }
        bytes += more;
        state.queued -= more;
        jobs.extend(state.jobs.pop_front());
    }
    jobs
}

//! Whether anybody holds the Lease, from outside: the question of a watchdog that competes for nothing.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use super::api::{LeaseApi, Record};
use crate::runtime::call::CallError;

/// Pause between two looks: a leader renews every 2 to 2.4 s.
const LOOK: Duration = Duration::from_secs(5);
/// Deadline of a look.
const CALL: Duration = Duration::from_secs(5);
/// Nothing is concluded after so many times the silence that is looked for.
const GIVE_UP: u32 = 3;

/// The Lease stood still.
#[derive(Debug)]
pub struct Silence {
    /// What it says since; `None` where there is none.
    record: Option<Record>,
}

/// Watches the Lease until it changes (`None`), or has stood still for `limit`. Only changes count: its times are
/// somebody's clock, and a clock that jumps must not silence a cluster.
///
/// # Errors
/// The Lease can't be read for long enough. While the API server doesn't answer nobody could have renewed it, so
/// that the wait begins anew.
pub async fn silence(lease: &impl LeaseApi, limit: Duration) -> Result<Option<Silence>, CallError> {
    let begin = Instant::now();
    let mut first: Option<(Option<Record>, Instant)> = None;
    loop {
        let asked = Instant::now();
        match (look(lease).await, &first) {
            (Ok(record), None) => first = Some((record, Instant::now())),
            (Ok(record), Some((before, _))) if record != *before => return Ok(None),
            (Ok(record), Some((_, since))) if asked.duration_since(*since) >= limit => {
                return Ok(Some(Silence { record }));
            }
            (Ok(_), Some(_)) => {}
            (Err(error), _) if begin.elapsed() >= limit * GIVE_UP => return Err(error),
            (Err(error), _) => {
                warn!(%error, "the Lease can't be read");
                first = None;
            }
        }
        sleep(LOOK.min(limit)).await;
    }
}

impl Silence {
    /// Whether the Lease still says what it said.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn lasts(&self, lease: &impl LeaseApi) -> Result<bool, CallError> {
        Ok(look(lease).await? == self.record)
    }
}

async fn look(lease: &impl LeaseApi) -> Result<Option<Record>, CallError> {
    let found = timeout(CALL, lease.get()).await.map_err(|_| CallError::Timeout(CALL))??;
    Ok(found.map(|stored| stored.record))
}

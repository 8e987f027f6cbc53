//! Waiting for something to come true.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Asks `probe` every 100 ms until it says `Ok`, for at most `timeout`.
///
/// # Errors
/// [`Error::Timeout`] with the last reason that `probe` gave.
pub async fn eventually<T, F, Fut>(timeout: Duration, what: &str, mut probe: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let start = Instant::now();
    let mut last = "it was never asked to the end".to_string();
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        match tokio::time::timeout(left, probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(reason)) => last = reason,
            Err(_) => {}
        }
        if start.elapsed() >= timeout {
            return Err(Error::Timeout { what: what.to_string(), seconds: timeout.as_secs(), last });
        }
        tokio::time::sleep(Duration::from_millis(100).min(timeout)).await;
    }
}

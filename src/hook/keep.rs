//! How long an issuer's keys are believed, and how often they are asked for. Pure: the time comes as an argument.
//!
//! A token with a key that nobody knows may come from an issuer that changed its keys, or from anybody. So it may ask
//! for the keys again, but no oftener than [`FLOOR`], and is refused itself: whoever sent it can send it again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::token::Trusted;
use crate::api::hook::Oidc;

/// Keys are fetched again after this long.
pub const REFRESH: Duration = Duration::from_secs(600);
/// Least time between two fetches, whoever asks and whatever came of the last one.
pub const FLOOR: Duration = Duration::from_secs(60);
/// Keys that could not be fetched again are believed for this long: an issuer that is away for a night stops nothing,
/// and a key that it withdrew doesn't sign for ever.
pub const STALE: Duration = Duration::from_secs(24 * 3600);

/// What is kept of one Platform's issuer.
#[derive(Debug)]
pub struct Kept {
    oidc: Oidc,
    trusted: Option<(Arc<Trusted>, Instant)>,
    tried: Option<Instant>,
    wanted: bool,
}

impl Kept {
    /// Nothing yet.
    #[must_use]
    pub fn new(oidc: Oidc) -> Self {
        Self { oidc, trusted: None, tried: None, wanted: false }
    }

    /// Whether it is for these settings.
    #[must_use]
    pub fn is_for(&self, oidc: &Oidc) -> bool {
        self.oidc == *oidc
    }

    /// Begins a fetch, if one is due.
    ///
    /// # Errors
    /// How long it is until then.
    pub fn begin(&mut self, now: Instant) -> Result<(), Duration> {
        let wait = self.due(now);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.tried = Some(now);
        self.wanted = false;
        Ok(())
    }

    /// Somebody came with a key that isn't here. Returns whether a fetch is due for that.
    pub fn want(&mut self, now: Instant) -> bool {
        self.wanted = true;
        self.due(now).is_zero()
    }

    /// The keys were fetched.
    pub fn fetched(&mut self, trusted: Trusted, now: Instant) {
        self.trusted = Some((Arc::new(trusted), now));
    }

    /// Whom the Platform trusts now.
    #[must_use]
    pub fn trusted(&self, now: Instant) -> Option<Arc<Trusted>> {
        let (trusted, since) = self.trusted.as_ref()?;
        (now.saturating_duration_since(*since) < STALE).then(|| Arc::clone(trusted))
    }

    fn due(&self, now: Instant) -> Duration {
        let left = |since: Instant, wait: Duration| wait.saturating_sub(now.saturating_duration_since(since));
        let floor = self.tried.map(|tried| left(tried, FLOOR)).unwrap_or_default();
        let fresh = self.trusted.as_ref().filter(|_| !self.wanted).map(|(_, since)| left(*since, REFRESH));
        floor.max(fresh.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::hook::keys::Keys;

    fn oidc(audience: &str) -> Oidc {
        let oidc = json!({"issuer": "https://issuer.example.com", "audience": audience, "subject": "x"});
        serde_json::from_value(oidc).expect("settings")
    }

    fn trusted() -> Trusted {
        Trusted::new(oidc("a"), Keys::default()).expect("closed")
    }

    #[test]
    fn strangers_can_not_flood_an_issuer() {
        let (start, mut kept) = (Instant::now(), Kept::new(oidc("a")));
        assert!(kept.is_for(&oidc("a")) && !kept.is_for(&oidc("b")));
        assert_eq!(kept.begin(start), Ok(()));
        // It failed: only later again.
        assert_eq!(kept.begin(start), Err(FLOOR));
        assert!(!kept.want(start + FLOOR / 2) && kept.want(start + FLOOR));
        assert_eq!(kept.begin(start + FLOOR), Ok(()));
        kept.fetched(trusted(), start + FLOOR);
        let now = start + FLOOR;
        assert_eq!(kept.begin(now), Err(REFRESH));
        let mut fetches = 0;
        for second in 0..3600 {
            if kept.want(now + Duration::from_secs(second)) || second % 60 == 59 {
                fetches += u32::from(kept.begin(now + Duration::from_secs(second)).is_ok());
            }
        }
        assert!(fetches <= 60, "{fetches} in an hour");
    }

    #[test]
    fn a_key_that_is_new_is_asked_for_at_once_and_then_no_more() {
        let (start, mut kept) = (Instant::now(), Kept::new(oidc("a")));
        assert_eq!(kept.begin(start), Ok(()));
        kept.fetched(trusted(), start);
        let later = start + FLOOR;
        assert_eq!(kept.begin(later), Err(REFRESH - FLOOR));
        assert!(kept.want(later));
        assert_eq!(kept.begin(later), Ok(()));
        assert_eq!(kept.begin(later), Err(REFRESH - FLOOR), "nothing came of it, and nobody asks again");
        assert!(!kept.want(later) && kept.want(later + FLOOR));
    }

    #[test]
    fn keys_are_believed_for_a_day_and_no_longer() {
        let (start, mut kept) = (Instant::now(), Kept::new(oidc("a")));
        assert!(kept.trusted(start).is_none());
        kept.fetched(trusted(), start);
        assert!(kept.trusted(start + STALE - Duration::from_secs(1)).is_some());
        assert!(kept.trusted(start + STALE).is_none());
        assert_eq!(kept.begin(start + REFRESH), Ok(()));
    }
}

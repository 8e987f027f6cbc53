//! `tenantry.dev/paused-until`: people can always stop the operator.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::api::ObjectMeta;

use crate::api::marks;

/// Longest pause: a forgotten one ends by itself.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// The time until which nothing may be written, as it was given, and how long that is from now. A time
/// that can't be read, or that is more than 24 h ahead, pauses nothing.
pub fn until(meta: &ObjectMeta, now: Timestamp) -> Option<(String, Duration)> {
    let text = meta.annotations.as_ref()?.get(marks::PAUSED_UNTIL)?;
    let until: Timestamp = text.parse().ok()?;
    let left = until.duration_since(now);
    if left > LONGEST {
        return None;
    }
    Duration::try_from(left).ok().filter(|left| !left.is_zero()).map(|left| (text.clone(), left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(text: &str) -> Option<Duration> {
        let meta = ObjectMeta {
            annotations: Some([(marks::PAUSED_UNTIL.to_owned(), text.to_owned())].into()),
            ..ObjectMeta::default()
        };
        let now = "2026-01-01T00:00:00Z".parse().expect("a test's time is right");
        until(&meta, now).map(|(_, left)| left)
    }

    #[test]
    fn a_pause_ends_by_itself_and_is_never_longer_than_a_day() {
        assert_eq!(pause("2026-01-01T01:00:00Z"), Some(Duration::from_secs(3600)));
        assert_eq!(pause("2026-01-02T00:00:00Z"), Some(Duration::from_secs(86_400)));
        for text in ["2025-12-31T23:59:59Z", "2026-01-02T00:00:01Z", "2026-01-01T00:00:00Z", "soon", ""] {
            assert_eq!(pause(text), None, "{text}");
        }
    }
}

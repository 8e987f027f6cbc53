//! Clocks that are wrong for a while.

use jiff::Timestamp;
use tenantry::backup::{
    drills::{Verified, verified},
    known::{Kind, Past},
    record::reasons,
};

use super::known::{database, hours, store, time};

#[test]
fn a_drill_of_a_time_that_has_not_come_proves_nothing() {
    let (now, app) = (time("2026-11-22T03:10:00Z"), database("acme", "app", "0 3 * * *", "UTC"));
    let said = |drills: &[(Timestamp, bool)]| {
        let mut store = store(&["app"], 20, now);
        for (started, succeeded) in drills {
            let reason = if *succeeded { reasons::SUCCEEDED } else { reasons::CHECK_FAILED };
            let one = Past {
                id: format!("drill-app-{started}"),
                kind: Kind::Drill,
                started: *started,
                ended: *started,
                succeeded: *succeeded,
                reason: reason.into(),
                ..store.past[0].clone()
            };
            store.past.push(one);
        }
        verified(&app, &store, hours(8 * 24), now)
    };
    let (then, before, future) = (now - hours(24), now - hours(9 * 24), now + hours(31 * 24));
    assert_eq!(said(&[(then, true)]), Verified::Yes { at: then });
    assert_eq!(said(&[(before, true), (future, true)]), Verified::TooOld { at: before });
    assert_eq!(said(&[(future, true)]), Verified::Never);
    assert_eq!(said(&[(then, true), (future, false)]), Verified::Yes { at: then });
    assert!(matches!(said(&[(then, false), (future, true)]), Verified::Failed { .. }));
}

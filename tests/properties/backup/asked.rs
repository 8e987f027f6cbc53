//! What people ask for is done once, and once more when they ask anew.

use tenantry::backup::{
    decide::{self, Known},
    known::{Asked, Choice, Kind, Past},
};

use super::known::{database, hours, settings, store, time};

#[test]
fn what_is_asked_for_anew_by_the_same_name_is_done_anew() {
    let now = time("2026-11-22T03:10:00Z");
    let settings = settings("acme", vec![database("acme", "app", "0 3 * * *", "UTC")], "UTC");
    let mut store = store(&["app"], 3, now);
    let mut ask = |created, done: Option<&str>| {
        if let Some(job) = done {
            let one = Past { id: job.into(), kind: Kind::AskedDrill, ..store.past[0].clone() };
            store.past.push(one);
        }
        let asked = Asked {
            name: "before-the-audit".into(),
            created,
            database: "app".into(),
            choice: Choice::Newest,
            restore: None,
        };
        let known = Known { settings: &settings, store: Some(&store), runs: &[], asked: &[asked], now };
        let starts = decide::decide(known).starts;
        starts.into_iter().find(|want| want.kind == Kind::AskedDrill).map(|want| want.job)
    };
    let first = ask(now - hours(2), None).unwrap();
    assert_eq!(ask(now - hours(2), Some(&first)), None, "it was done");
    let second = ask(now - hours(1), None).unwrap();
    assert_ne!(first, second, "no Job and no record has the name of another");
}

use jiff::SignedDuration;

use super::*;

fn report(own: Knock, own_service: Knock, pod: Knock, service: Knock) -> String {
    serde_json::to_string(&Report { own, own_service, pod, service }).unwrap()
}

fn shut() -> Knock {
    Knock::Shut("timed out".into())
}

#[test]
fn shut_doors_prove_something_only_where_the_open_ones_are_open() {
    use Knock::Answered;
    let at: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    let of = |own, own_service, pod, service| judge(&report(own, own_service, pod, service), at, true);
    assert_eq!(of(Answered, Answered, shut(), shut()), Doors::Closed { at });
    for (what, found) in [
        ("no pod of its own answered", of(shut(), Answered, shut(), shut())),
        ("no name, no Service of its own", of(Answered, shut(), shut(), shut())),
        ("the other pod was gone", judge(&report(Answered, Answered, shut(), shut()), at, false)),
        ("no report", judge("panicked", at, true)),
    ] {
        assert!(matches!(found, Doors::NotTried(_)), "{what}: {found:?}");
    }
    // An open door is one, whatever else there is.
    assert_eq!(of(shut(), shut(), Answered, shut()), Doors::Open { at, door: "pod".into() });
    assert_eq!(of(Answered, Answered, shut(), Answered), Doors::Open { at, door: "Service".into() });
}

#[test]
fn old_news_is_none() {
    let at: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    let closed = Doors::Closed { at };
    assert_eq!(closed.now(at + SignedDuration::from_hours(11)), closed);
    assert!(matches!(closed.now(at + SignedDuration::from_hours(13)), Doors::NotTried(_)));
    let open = Doors::Open { at, door: "pod".into() };
    assert!(matches!(open.now(at + SignedDuration::from_hours(13)), Doors::NotTried(_)));
}

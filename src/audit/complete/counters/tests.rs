use super::*;

const BEGIN: i64 = 1_790_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(BEGIN + second).unwrap()
}

fn counted(started: i64, events: u64) -> Counted {
    #[allow(clippy::cast_precision_loss)]
    let started = (BEGIN + started) as f64;
    Counted { started, events, errors: BTreeMap::new() }
}

#[test]
fn metrics_are_read() {
    let text = "# HELP x\napiserver_audit_event_total 42\napiserver_audit_error_total{plugin=\"log\"} 2\n\
                apiserver_audit_error_total{plugin=\"webhook\"} 1e+06\nprocess_start_time_seconds 1.79e+09\nother 1\n";
    let found = Counted::parse(text).unwrap();
    assert_eq!((found.events, found.errors["log"], found.errors["webhook"]), (42, 2, 1_000_000));
    assert!((found.started - 1.79e9).abs() < 1.0);
    assert_eq!(Counted::parse("other 1\n"), None);
}

/// An API server that makes events at a rate and is looked at every 30 s, while they arrive 20 s late; every `lose`th of
/// them never. Returns what is said to be dropped at each look.
fn play(rates: &[u64], lose: u64) -> Vec<u64> {
    let (mut one, mut events, mut said) = (Reconciled::default(), 1000, Vec::new());
    let mut arrives: VecDeque<(i64, bool)> = VecDeque::new();
    for (second, rate) in (0..).zip(rates.iter().flat_map(|rate| [*rate; 30])) {
        for _ in 0..rate {
            events += 1;
            arrives.push_back((second, lose == 0 || events % lose != 0));
        }
        while let Some((then, comes)) = arrives.pop_front_if(|(then, _)| *then + 20 <= second) {
            if comes {
                one.received(at(then));
            }
        }
        if second % 30 == 29 {
            one.look(&counted(-100, events), true, at(second));
            said.push(one.dropped(at(second)));
        }
    }
    said
}

#[test]
fn events_on_their_way_are_no_loss_however_many_come() {
    for rates in [&[0, 0, 100, 200, 200, 0, 0, 300, 5, 0][..], &[1; 10], &[500; 10]] {
        assert_eq!(play(rates, 0), vec![0; 10], "{rates:?}");
    }
}

#[test]
fn events_that_never_arrive_are_told() {
    let said = play(&[10, 10, 10, 10, 10, 0, 0, 0], 10);
    // 30 a look are lost; those that came 2 s before and after a look hide some.
    assert_eq!(said[..3], [0, 0, 0]);
    assert!(said[4] > 0 && said[7] >= 120 - 40 && said[7] <= 120, "{said:?}");
    assert!(said.windows(2).all(|two| two[0] <= two[1]), "{said:?}");
}

#[test]
fn what_comes_late_is_no_longer_missing() {
    let mut one = Reconciled::default();
    one.look(&counted(-9, 50), true, at(0));
    one.look(&counted(-9, 60), true, at(30));
    assert_eq!(one.dropped(at(74)), 0, "it may be on its way");
    assert_eq!(one.dropped(at(75)), 10);
    for second in 1..=10 {
        one.received(at(second));
    }
    // Of before the first look, and of after the last one: neither stands for one of these.
    one.received(at(-3));
    one.received(at(33));
    assert_eq!(one.dropped(at(75)), 0);
    one.look(&counted(-9, 62), true, at(60));
    assert_eq!(one.dropped(at(105)), 1);
}

/// The process begins again: its counters begin at zero, which is no gap, and what it made since its begin must arrive.
#[test]
fn a_new_process_is_no_gap_and_its_own_losses_are() {
    let mut one = Reconciled::default();
    one.look(&counted(-500, 50), true, at(0));
    (10..20).for_each(|second| one.received(at(second)));
    one.look(&counted(-500, 63), true, at(20));
    // Killed at 25, begun at 30; four of its seven events come before anybody looks.
    (31..35).for_each(|second| one.received(at(second)));
    one.look(&counted(30, 7), true, at(50));
    assert_eq!(one.dropped(at(60)), 0);
    assert_eq!(one.dropped(at(65)), 3, "of the process before");
    assert_eq!(one.dropped(at(95)), 3 + 3, "and of this one");
    (31..34).for_each(|second| one.received(at(second)));
    assert_eq!(one.dropped(at(95)), 3);
    // Again and again: what was lost stays lost.
    for life in 1..10 {
        let now = 50 + 100 * life;
        one.look(&counted(now - 10, 0), true, at(now));
        assert_eq!(one.dropped(at(now)), 3, "{life}");
    }
}

/// Of several API servers together it isn't known when their counters began.
#[test]
fn several_api_servers_are_looked_at_together() {
    let mut one = Reconciled::default();
    let both = |a, b, begun| Counted::sum([&counted(-9, a), &counted(begun, b)]);
    one.look(&both(10, 20, -9), false, at(0));
    one.look(&both(12, 25, -9), false, at(30));
    (1..6).for_each(|second| one.received(at(second)));
    assert_eq!(one.dropped(at(80)), 2);
    one.look(&both(12, 3, 40), false, at(60));
    one.look(&both(12, 3, 40), false, at(90));
    assert_eq!(one.dropped(at(140)), 2);
}

#[test]
fn an_api_server_says_what_it_lost_itself() {
    let failed = |started, count: u64| Counted {
        errors: [("webhook".to_owned(), count)].into(),
        ..counted(started, 0)
    };
    let mut one = Failures::default();
    one.look(&failed(-9, 3));
    assert!(one.failed().is_empty(), "of a time that nothing is claimed of");
    one.look(&failed(-9, 5));
    assert_eq!(one.failed()["webhook"], 2);
    one.look(&failed(40, 1));
    assert_eq!(one.failed()["webhook"], 3, "a new process counts from zero");
    one.look(&failed(40, 1));
    assert_eq!(one.failed()["webhook"], 3);
}

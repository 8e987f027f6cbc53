use super::*;

const BEGIN: i64 = 1_790_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(BEGIN + second).unwrap()
}

/// Of a log as it usually is: its events have arrived after 45 s.
fn reconciled() -> Reconciled {
    Reconciled::new(Duration::from_secs(20))
}

fn counted(started: i64, events: u64) -> Counted {
    #[allow(clippy::cast_precision_loss)]
    let started = (BEGIN + started) as f64;
    Counted { started, events, errors: BTreeMap::new() }
}

fn event(one: &mut Reconciled, second: i64) {
    one.received(&Arrived { id: Identity::default(), at: at(second), in_order: true });
}

/// A look of which no event is known.
fn look(one: &mut Reconciled, counted: &Counted, alone: bool, second: i64) {
    one.look(counted, alone, Asked { began: at(second), ended: at(second), audit_id: None });
}

/// An API server that makes events at a rate and is looked at every 30 s, while they arrive 20 s late; every `lose`th of
/// them never. Returns what is said to be dropped at each look.
fn play(rates: &[u64], lose: u64) -> Vec<u64> {
    let (mut one, mut events, mut said) = (reconciled(), 1000, Vec::new());
    let mut arrives: VecDeque<(i64, bool)> = VecDeque::new();
    for (second, rate) in (0..).zip(rates.iter().flat_map(|rate| [*rate; 30])) {
        for _ in 0..rate {
            events += 1;
            arrives.push_back((second, lose == 0 || events % lose != 0));
        }
        while let Some((then, comes)) = arrives.pop_front_if(|(then, _)| *then + 20 <= second) {
            if comes {
                event(&mut one, then);
            }
        }
        if second % 30 == 29 {
            look(&mut one, &counted(-100, events), true, second);
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
    let said = play(&[10, 10, 10, 10, 10, 0, 0, 0], 2);
    // 150 a look are lost; those that came 12 s before the first look and 2 s after another one hide some.
    assert_eq!(said[..3], [0, 0, 0]);
    assert!(said[4] > 0 && said[7] >= 600 - 70 && said[7] <= 600, "{said:?}");
    assert!(said.windows(2).all(|two| two[0] <= two[1]), "{said:?}");
}

/// However often it is looked at, some looks are always old enough, and they don't become many.
#[test]
fn looks_in_quick_succession_hide_nothing() {
    for every in [1, 2, 5, 7] {
        let mut one = reconciled();
        for second in (0..300_i64).step_by(every) {
            // One event a second is made, and none arrives.
            look(&mut one, &counted(-9, 100 + second.unsigned_abs()), true, second);
            let kept = one.processes[0].looks.len();
            assert!(kept <= 18, "{kept} looks, one every {every} s");
            let least = second.saturating_sub(45 + 2 * 6).max(0).unsigned_abs();
            assert!(
                (least..=second.unsigned_abs()).contains(&one.dropped(at(second))),
                "{every} s, at {second}"
            );
        }
    }
}

#[test]
fn a_clock_that_is_set_back_hides_nothing_for_long() {
    let mut one = reconciled();
    for (second, events) in (1000..1200).step_by(30).chain((0..200).step_by(30)).zip(1..) {
        look(&mut one, &counted(-9, events), true, second);
    }
    // Fourteen looks, an event between each two.
    assert!((9..=13).contains(&one.dropped(at(200))), "{one:?}");
}

#[test]
fn what_comes_late_is_no_longer_missing() {
    let mut one = reconciled();
    look(&mut one, &counted(-9, 50), true, 0);
    look(&mut one, &counted(-9, 60), true, 30);
    assert_eq!(one.dropped(at(74)), 0, "it may be on its way");
    assert_eq!(one.dropped(at(75)), 10);
    for second in 1..=10 {
        event(&mut one, second);
    }
    // Of before the first look, and of after the last one: neither stands for one of these.
    event(&mut one, -3);
    event(&mut one, 33);
    assert_eq!(one.dropped(at(75)), 0);
    look(&mut one, &counted(-9, 62), true, 60);
    assert_eq!(one.dropped(at(105)), 1);
}

/// The author of a request isn't known at its own time: it is counted some seconds later, and a look may lie in between.
#[test]
fn what_is_counted_after_its_time_is_no_loss() {
    let mut one = reconciled();
    look(&mut one, &counted(-9, 50), true, 0);
    look(&mut one, &counted(-9, 50), true, 30);
    event(&mut one, 22);
    look(&mut one, &counted(-9, 51), true, 60);
    assert_eq!(one.dropped(at(120)), 0);
}

/// Only what stands in the log before a look's own event was counted by it; what a webhook sends comes in any order.
#[test]
fn what_a_webhook_brings_says_nothing_of_what_was_counted() {
    // Whether what was counted after the look came by the log, and whether the look's own event did.
    for (late, own) in [(false, true), (true, false), (false, false)] {
        let mut one = reconciled();
        look(&mut one, &counted(-9, 50), true, 0);
        let asked = Asked { began: at(30), ended: at(30), audit_id: Some("l".to_owned()) };
        one.look(&counted(-9, 51), true, asked);
        let other = Identity::default();
        let begun = Identity { audit_id: "l".into(), stage: BEGUN.into() };
        for (id, second, in_order) in [(other.clone(), 29, late), (other, 29, late), (begun, 30, own)] {
            one.received(&Arrived { id, at: at(second), in_order });
        }
        look(&mut one, &counted(-9, 53), true, 60);
        assert_eq!(one.dropped(at(120)), 0, "{late} {own}");
    }
}

/// Of before a look that isn't kept any more: it says nothing of those that were lost since.
#[test]
fn what_comes_very_late_hides_nothing() {
    let mut one = reconciled();
    look(&mut one, &counted(-9, 50), true, 0);
    (0..5).for_each(|_| event(&mut one, -1));
    (1..11).for_each(|second| event(&mut one, second));
    look(&mut one, &counted(-9, 62), true, 30);
    // Ten are lost here, and two of those before are on their way.
    [60, 90, 120].into_iter().for_each(|second| look(&mut one, &counted(-9, 72), true, second));
    assert_eq!(one.dropped(at(120)), 10);
    (0..2).for_each(|_| event(&mut one, 10));
    assert_eq!(one.dropped(at(120)), 10);
}

/// The process begins again: its counters begin at zero, which is no gap, and what it made since its begin must arrive.
#[test]
fn a_new_process_is_no_gap_and_its_own_losses_are() {
    let mut one = reconciled();
    look(&mut one, &counted(-500, 50), true, 0);
    (10..20).for_each(|second| event(&mut one, second));
    look(&mut one, &counted(-500, 63), true, 20);
    // Killed at 25, begun at 30; four of its seven events come before anybody looks.
    (31..35).for_each(|second| event(&mut one, second));
    look(&mut one, &counted(30, 7), true, 50);
    assert_eq!(one.dropped(at(60)), 0);
    assert_eq!(one.dropped(at(65)), 3, "of the process before");
    assert_eq!(one.dropped(at(95)), 3 + 3, "and of this one");
    (31..34).for_each(|second| event(&mut one, second));
    assert_eq!(one.dropped(at(95)), 3);
    // Again and again: what was lost stays lost.
    for life in 1..10 {
        let now = 50 + 100 * life;
        look(&mut one, &counted(now - 10, 0), true, now);
        assert_eq!(one.dropped(at(now)), 3, "{life}");
    }
}

/// Of several API servers together it isn't known when their counters began.
#[test]
fn several_api_servers_are_looked_at_together() {
    let mut one = reconciled();
    let both = |a, b, begun| Counted::sum([&counted(-9, a), &counted(begun, b)]);
    look(&mut one, &both(10, 20, -9), false, 0);
    look(&mut one, &both(12, 25, -9), false, 30);
    (1..6).for_each(|second| event(&mut one, second));
    assert_eq!(one.dropped(at(80)), 2);
    look(&mut one, &both(12, 3, 40), false, 60);
    look(&mut one, &both(12, 3, 40), false, 90);
    assert_eq!(one.dropped(at(140)), 2);
}

/// An event of a busy API server, in milliseconds: when it says it was, when it was counted, whose it is, whether it is
/// lost.
struct Made {
    says: i64,
    counted: i64,
    id: Identity<'static>,
    lost: bool,
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.0 >> 33) % most).unwrap()
    }
}

/// How long a look takes, and when, in between, the counter is read.
const TOOK: i64 = 20;
const READS: i64 = 11;

/// Events of so many seconds: one every `pace` milliseconds on average, and one in a thousand counted seconds later than
/// it says. A look each 30 s. Those are lost of which `lose` says so.
fn busy(dice: &mut Dice, seconds: i64, pace: u64, lose: impl Fn(i64) -> bool) -> Vec<Made> {
    let (mut all, mut now) = (Vec::new(), 0);
    while now < seconds * 1000 {
        now += dice.below(2 * pace);
        let late = if dice.below(1000) == 0 { dice.below(9000) } else { dice.below(2) };
        all.push(Made { says: now, counted: now + late, id: Identity::default(), lost: lose(now) });
    }
    for look in (0..seconds).step_by(30) {
        let own = |stage: &'static str, at: i64| Made {
            says: at,
            counted: at,
            id: Identity { audit_id: look.to_string().into(), stage: stage.into() },
            lost: false,
        };
        all.push(own(BEGUN, look * 1000 + 1));
        all.push(own("ResponseComplete", look * 1000 + TOOK));
    }
    all.sort_by_key(|made| made.counted);
    all
}

/// What is told in the end, by a clock that goes `ahead`, in milliseconds, and of a log or a webhook; and never more than
/// what was lost by then.
fn told(all: &[Made], seconds: i64, (ahead, in_order): (i64, bool)) -> u64 {
    let here = |milliseconds: i64| Timestamp::from_millisecond(BEGIN * 1000 + milliseconds).unwrap();
    let (mut one, mut arrived) = (reconciled(), 0);
    let until = |now: i64| all.partition_point(|made| made.counted <= now);
    let losses: Vec<u64> = all
        .iter()
        .scan(0, |sum, made| {
            *sum += u64::from(made.lost);
            Some(*sum)
        })
        .collect();
    let lost = |now: i64| until(now).checked_sub(1).map_or(0, |last| losses[last]);
    for second in 0..seconds {
        let now = second * 1000 + TOOK + 2;
        if second % 30 == 0 {
            let events = 1000 + until(second * 1000 + READS) as u64;
            let (began, audit_id) = (here(second * 1000), Some(second.to_string()));
            one.look(&counted(-100, events), true, Asked { began, ended: here(now), audit_id });
        }
        // Sealed every 20 s, in the order in which they were counted.
        while second % 20 == 5 && all.get(arrived).is_some_and(|made| made.counted < now - 1000) {
            let made = &all[arrived];
            if !made.lost {
                let at = here(made.says + ahead);
                one.received(&Arrived { id: made.id.clone(), at, in_order });
            }
            arrived += 1;
        }
        let said = one.dropped(here(now));
        let most = lost(now) - lost(READS);
        assert!(said <= most, "{said} at {second} s of {most}");
    }
    one.dropped(here(seconds * 1000))
}

#[test]
fn few_lost_events_of_many_are_told() {
    for (seed, ahead) in [(1, 0), (2, 1500), (3, -1500), (4, 60_000), (5, -60_000)] {
        let mut dice = Dice(seed);
        // 500 a second, of which 40 are lost at once.
        let all = busy(&mut dice, 300, 2, |now| (90_000..90_080).contains(&now));
        let lost = all.iter().filter(|made| made.lost).count() as u64;
        let said = told(&all, 300, (ahead, true));
        assert!(lost > 25 && said + 15 >= lost, "{said} of {lost}, a clock {ahead} ms ahead");
    }
}

#[test]
fn nothing_is_told_of_what_was_not_lost() {
    for seed in 0..5 {
        let mut dice = Dice(seed);
        let all = busy(&mut dice, 300, 3, |_| false);
        assert_eq!(told(&all, 300, (1000, true)), 0);
        assert_eq!(told(&all, 300, (-1000, false)), 0);
        // A clock that nobody set.
        for (ahead, in_order) in [(60_000, true), (-60_000, true), (-60_000, false), (-3_600_000, true)] {
            assert_eq!(told(&all, 300, (ahead, in_order)), 0, "{ahead}");
        }
        let all = busy(&mut dice, 300, 20, |now| now % 7 == 0);
        assert!(told(&all, 300, (0, true)) > 0);
    }
}

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

async fn take_now(queue: &Queue<u32>) -> Option<Taken<u32>> {
    tokio::select! {
        biased;
        taken = queue.take() => taken,
        () = tokio::task::yield_now() => None,
    }
}

#[tokio::test(start_paused = true)]
async fn keys_run_in_the_order_of_their_requests_and_once() {
    let queue = Queue::default();
    for key in [3, 1, 2, 1, 3] {
        queue.add(key);
    }
    assert_eq!(queue.len(), 3);
    for key in [3, 1, 2] {
        let taken = take_now(&queue).await.unwrap();
        assert_eq!(*taken, key);
        taken.done();
    }
    assert!(take_now(&queue).await.is_none());
    assert_eq!(queue.lock().core.kept(), 0, "an idle key costs nothing");
}

#[tokio::test(start_paused = true)]
async fn a_running_key_waits_for_its_end_and_runs_again() {
    let queue = Queue::default();
    queue.add(1);
    let first = take_now(&queue).await.unwrap();
    queue.add(1);
    queue.add(1);
    assert!(take_now(&queue).await.is_none(), "one key twice at once");
    first.done();
    take_now(&queue).await.unwrap().done();
    assert!(take_now(&queue).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_earlier_request_wins_over_a_later_one() {
    let queue = Queue::default();
    queue.add_after(1, 10 * SECOND);
    queue.add_after(1, 2 * SECOND);
    queue.add_after(1, 5 * SECOND);
    let start = Instant::now();
    queue.take().await.unwrap().done();
    assert_eq!(start.elapsed(), 2 * SECOND);

    queue.add_after(1, 5 * SECOND);
    queue.add(1);
    take_now(&queue).await.unwrap().done();
    tokio::time::advance(60 * SECOND).await;
    assert!(take_now(&queue).await.is_none(), "the later request is covered by the run");
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_fires_during_a_run_is_kept_for_its_end() {
    let queue = Queue::default();
    queue.add(1);
    let taken = take_now(&queue).await.unwrap();
    queue.add_after(1, SECOND);
    tokio::time::advance(2 * SECOND).await;
    assert!(take_now(&queue).await.is_none());
    taken.done_after(60 * SECOND);
    assert!(take_now(&queue).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_sleeping_taker_wakes_for_a_new_key_and_for_an_earlier_timer() {
    let queue = Queue::default();
    queue.add_after(1, 100 * SECOND);
    let start = Instant::now();
    let taker = tokio::spawn({
        let queue = queue.clone();
        async move {
            let first = *queue.take().await.unwrap();
            let second = *queue.take().await.unwrap();
            (first, second, Instant::now())
        }
    });
    tokio::time::sleep(SECOND).await;
    queue.add_after(2, 4 * SECOND);
    tokio::time::sleep(10 * SECOND).await;
    queue.add(3);
    let (first, second, end) = taker.await.unwrap();
    assert_eq!((first, second), (2, 2), "dropped, so it counts as failed and is retried");
    assert!(end - start < 6 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_failing_key_backs_off_alone_and_forget_starts_anew() {
    let queue = Queue::default();
    queue.add(1);
    let mut waits = Vec::new();
    for _ in 0..14 {
        let start = Instant::now();
        queue.take().await.unwrap().retry();
        waits.push(start.elapsed());
    }
    for (n, wait) in waits.iter().enumerate().skip(1) {
        let whole = Duration::from_millis(200 << (n - 1)).min(300 * SECOND);
        assert!(*wait <= whole + Duration::from_millis(2), "wait {n} was {wait:?}");
        assert!(*wait >= whole / 2, "wait {n} was {wait:?}");
    }
    queue.add(2);
    take_now(&queue).await.unwrap().done();

    queue.forget(&1);
    queue.add(1);
    take_now(&queue).await.unwrap().retry();
    let start = Instant::now();
    queue.take().await.unwrap().done();
    assert!(start.elapsed() <= Duration::from_millis(202));
}

#[tokio::test(start_paused = true)]
async fn a_panicking_worker_leaves_its_key_to_be_retried() {
    let queue = Queue::default();
    queue.add(1);
    let worker = tokio::spawn({
        let queue = queue.clone();
        async move {
            let _taken = queue.take().await.unwrap();
            panic!("on purpose");
        }
    });
    assert!(worker.await.is_err());
    assert_eq!(queue.stats().delayed, 1);
    queue.take().await.unwrap().done();
}

#[tokio::test(start_paused = true)]
async fn urgent_goes_first_and_bulk_gets_every_fifth_turn() {
    let queue = Queue::default();
    for key in 0..10 {
        queue.add(key);
    }
    for key in 100..120 {
        queue.add_urgent(key);
    }
    queue.add_urgent(9); // moves up, behind the urgent ones that were there
    let mut order = Vec::new();
    while let Some(taken) = take_now(&queue).await {
        order.push(*taken);
        taken.done();
    }
    assert_eq!(order[..11], [100, 101, 102, 103, 0, 104, 105, 106, 107, 1, 108]);
    assert_eq!(order.iter().filter(|key| **key == 9).count(), 1);
    assert!(order.iter().position(|key| *key == 9) < order.iter().position(|key| *key == 6));
    assert_eq!(order.len(), 30);
}

#[tokio::test(start_paused = true)]
async fn stats_tell_depth_and_age() {
    let queue = Queue::default();
    queue.add(1);
    queue.add_after(2, 3 * SECOND);
    tokio::time::advance(5 * SECOND).await;
    queue.add_urgent(3);
    let running = take_now(&queue).await.unwrap();
    queue.add_after(4, SECOND);
    assert_eq!(*running, 3);
    assert_eq!(queue.stats(), Stats { urgent: 0, bulk: 2, delayed: 1, running: 1, oldest: 5 * SECOND });
}

#[tokio::test(start_paused = true)]
async fn closing_wakes_everyone_and_drops_what_waits() {
    let queue: Queue<u32> = Queue::default();
    let takers: Vec<_> = (0..3)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move { queue.take().await.is_none() })
        })
        .collect();
    tokio::time::sleep(SECOND).await;
    queue.close();
    queue.add(1);
    for taker in takers {
        assert!(taker.await.unwrap());
    }
    assert!(queue.take().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn many_workers_lose_nothing() {
    let queue: Queue<u32> = Queue::default();
    let (sent, mut runs) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..8 {
        let (queue, sent) = (queue.clone(), sent.clone());
        tokio::spawn(async move {
            while let Some(taken) = queue.take().await {
                tokio::time::sleep(Duration::from_millis(7)).await;
                sent.send(*taken).unwrap();
                taken.done();
            }
        });
    }
    for key in 0..500 {
        queue.add(key);
        if key % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
    let mut seen = HashSet::new();
    while seen.len() < 500 {
        let key = tokio::time::timeout(60 * SECOND, runs.recv()).await.unwrap().unwrap();
        assert!(seen.insert(key), "key {key} ran twice");
    }
}

#[derive(Clone, Debug)]
enum Op {
    Add(u8),
    AddUrgent(u8),
    AddAfter(u8, u16),
    Take,
    /// Ends the n-th running key.
    Finish(usize, Next),
    Pass(u16),
    Forget(u8),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = 0..12u8;
    let next = prop_oneof![
        Just(Next::Rest),
        (0..900u64).prop_map(|ms| Next::After(Duration::from_millis(ms))),
        (0..=10u8).prop_map(|unit| Next::Retry(f64::from(unit) / 10.0)),
    ];
    let op = prop_oneof![
        3 => key.clone().prop_map(Op::Add),
        3 => key.clone().prop_map(Op::AddUrgent),
        2 => (key.clone(), 0..2000u16).prop_map(|(key, ms)| Op::AddAfter(key, ms)),
        5 => Just(Op::Take),
        4 => (0..8usize, next).prop_map(|(n, next)| Op::Finish(n, next)),
        2 => (0..500u16).prop_map(Op::Pass),
        1 => key.prop_map(Op::Forget),
    ];
    proptest::collection::vec(op, 1..200)
}

/// What must come true: for each key the latest time by which it must be ready,
/// and for each ready key how many turns went by without it.
#[derive(Default)]
struct Promises {
    due: HashMap<u8, Instant>,
    running: Vec<u8>,
    turns_waited: HashMap<u8, usize>,
}

impl Promises {
    fn owe(&mut self, key: u8, at: Instant) {
        let due = self.due.entry(key).or_insert(at);
        *due = (*due).min(at);
    }

    fn took(&mut self, key: u8, now: Instant) -> Result<(), TestCaseError> {
        prop_assert!(!self.running.contains(&key), "key {} runs twice at once", key);
        let due = self.due.remove(&key);
        prop_assert!(due.is_some_and(|at| at <= now), "key {} ran unasked or too early", key);
        self.running.push(key);
        self.turns_waited.remove(&key);
        for (key, at) in &self.due {
            if *at <= now && !self.running.contains(key) {
                let turns = self.turns_waited.entry(*key).or_default();
                *turns += 1;
                // 12 keys: at worst 11 before it in bulk, each of them one turn in five
                prop_assert!(*turns <= 60, "key {} starves", key);
            }
        }
        Ok(())
    }

    fn check_nothing_taken(&self, now: Instant) -> Result<(), TestCaseError> {
        let lost = self.due.iter().find(|(key, at)| **at <= now && !self.running.contains(key));
        prop_assert!(lost.is_none(), "key {:?} is lost", lost);
        Ok(())
    }
}

fn apply(
    op: Op,
    core: &mut Core<u8>,
    promises: &mut Promises,
    now: &mut Instant,
) -> Result<(), TestCaseError> {
    match op {
        Op::Add(key) => {
            core.add(key, Lane::Bulk, *now);
            promises.owe(key, *now);
        }
        Op::AddUrgent(key) => {
            core.add(key, Lane::Urgent, *now);
            promises.owe(key, *now);
        }
        Op::AddAfter(key, ms) => {
            let due = *now + Duration::from_millis(ms.into());
            core.add_at(key, Lane::Bulk, due);
            promises.owe(key, due);
        }
        Op::Take => match core.take(*now) {
            Some(key) => promises.took(key, *now)?,
            None => promises.check_nothing_taken(*now)?,
        },
        Op::Finish(n, next) => {
            if promises.running.is_empty() {
                return Ok(());
            }
            let key = promises.running.remove(n % promises.running.len());
            match next {
                Next::Rest => {}
                Next::After(wait) => promises.owe(key, *now + wait),
                Next::Retry(_) => promises.owe(key, *now + Backoff::RECONCILE.cap),
            }
            core.finish(&key, next, *now);
            if let (Next::Retry(_), Some(at)) = (next, core.due_of(&key)) {
                promises.owe(key, at); // as early as the queue says, which the cap bounds
            }
        }
        Op::Pass(ms) => *now += Duration::from_millis(ms.into()),
        Op::Forget(key) => core.forget(&key),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_key_is_lost_doubled_early_or_starved(ops in ops()) {
        let mut core = Core::new(Backoff::RECONCILE);
        let mut promises = Promises::default();
        let mut now = Instant::now();
        for op in ops {
            apply(op, &mut core, &mut promises, &mut now)?;
            core.check();
        }
        while !promises.running.is_empty() {
            apply(Op::Finish(0, Next::Rest), &mut core, &mut promises, &mut now)?;
        }
        now += 2 * Backoff::RECONCILE.cap;
        while let Some(key) = core.take(now) {
            promises.took(key, now)?;
            promises.running.clear();
            core.finish(&key, Next::Rest, now);
        }
        prop_assert!(promises.due.is_empty(), "lost: {:?}", promises.due);
        core.check();
        for key in 0..12 {
            core.forget(&key);
        }
        prop_assert_eq!(core.kept(), 0, "memory is given back");
    }
}

//! Elections in paused time, over a fake Lease that can be slow, deaf or gone.

mod clocks;
mod fake;
mod quiet;

use std::sync::{Arc, Mutex};

use tokio::time::{Instant, advance, sleep};

use self::fake::{Replica, Road, Server};
use super::*;
use crate::runtime::call::CallError;

const SECOND: Duration = Duration::from_secs(1);

fn world() -> Arc<Mutex<Server>> {
    Arc::default()
}

fn record(server: &Arc<Mutex<Server>>) -> Record {
    server.lock().unwrap().lease.clone().unwrap().0
}

#[tokio::test(start_paused = true)]
async fn the_first_creates_and_renews_and_the_second_stands_by() {
    let server = world();
    let a = Replica::start("a", &server);
    sleep(SECOND).await;
    let mut b = Replica::start("b", &server);
    for _ in 0..600 {
        sleep(SECOND).await;
        assert!(a.leadership.write_budget().unwrap() > 7 * SECOND);
        assert!(!b.leadership.is_leader());
    }
    assert_eq!(a.leadership.role(), Role::Leading { term: 1 });
    assert_eq!(b.standby_of().as_deref(), Some("a"));
    let lease = record(&server);
    assert_eq!((lease.transitions, lease.duration), (1, Some(12 * SECOND)));
    let writes = server.lock().unwrap().version;
    assert!((250..=310).contains(&writes), "one write per 2 to 2.4 s, not {writes}");
    b.stop();
    b.task.await.unwrap();
    assert_eq!(record(&server).holder.as_deref(), Some("a"), "a standby releases nothing");
}

#[tokio::test(start_paused = true)]
async fn release_waits_for_writes_and_hands_over_at_once() {
    let server = world();
    let mut a = Replica::start("a", &server);
    sleep(SECOND).await;
    let b = Replica::start("b", &server);
    sleep(SECOND).await;
    let writer = a.leadership.clone();
    let write = tokio::spawn(async move {
        let slow = async {
            sleep(3 * SECOND).await;
            Ok::<_, CallError>(Instant::now())
        };
        writer.write(60 * SECOND, slow).await
    });
    sleep(SECOND).await;
    a.stop();
    sleep(SECOND / 10).await;
    assert!(!a.leadership.is_leader(), "nothing new starts after the stop");
    assert_eq!(record(&server).holder.as_deref(), Some("a"), "a write is under way");
    let end = write.await.unwrap().unwrap();
    a.task.await.unwrap();
    assert_eq!(record(&server).holder, None);
    let mut view = b.leadership.clone();
    assert_eq!(view.leading().await, 2, "the term counts hand-overs");
    assert!(end.elapsed() < 3 * SECOND, "took {:?}", end.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_cut_off_leader_stops_in_time_and_another_takes_over_after_the_lease() {
    let server = world();
    let a = Replica::start("a", &server);
    let mut view = a.leadership.clone();
    view.leading().await;
    let mut b = Replica::start("b", &server);
    sleep(3 * SECOND).await;
    a.fake.set_road(Road { cut: true, ..Road::default() });
    let cut = Instant::now();
    view.lost(1).await;
    assert!(cut.elapsed() <= 8 * SECOND, "stepped down after {:?}", cut.elapsed());
    assert_eq!(b.leadership.leading().await, 2);
    // The Lease's 12 s, less a's last pause, and what b saw late.
    assert!((9..15).contains(&cut.elapsed().as_secs()), "took over after {:?}", cut.elapsed());
    a.fake.set_road(Road::default());
    sleep(6 * SECOND).await; // a call that hangs, and a pause
    assert_eq!(a.standby_of().as_deref(), Some("b"));
}

/// Whatever the pauses of both happen to be.
#[tokio::test(start_paused = true)]
async fn a_leader_that_dies_is_followed_within_fifteen_seconds() {
    for moment in 0..40 {
        let server = world();
        let mut a = Replica::start("a", &server);
        a.leadership.leading().await;
        let mut b = Replica::start("b", &server);
        sleep(7 * SECOND + Duration::from_millis(60 * moment)).await;
        a.task.abort();
        let death = Instant::now();
        b.leadership.leading().await;
        assert!(death.elapsed() <= 15 * SECOND, "took over after {:?}", death.elapsed());
        assert!(death.elapsed() >= 9 * SECOND, "too early: {:?}", death.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn the_budget_shrinks_from_the_moment_the_renewal_was_sent() {
    let server = world();
    let a = Replica::start("a", &server);
    a.fake.set_road(Road { latency: SECOND, ..Road::default() });
    let mut view = a.leadership.clone();
    view.leading().await; // a get and a create, two seconds each; the second counts
    assert_eq!(a.leadership.write_budget(), Some(8 * SECOND));
    a.fake.set_road(Road { cut: true, ..Road::default() });
    let forever = std::future::pending::<Result<(), CallError>>();
    let start = Instant::now();
    let error = a.leadership.write(60 * SECOND, forever).await.unwrap_err();
    assert_eq!(error, WriteError::Timeout(8 * SECOND));
    assert_eq!(start.elapsed(), 8 * SECOND, "dropped at lease end - 2 s");
    let late = a.leadership.write(SECOND, async { Ok::<_, CallError>(()) }).await;
    assert_eq!(late, Err(WriteError::NotLeader));
}

impl PartialEq for CallError {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_from_a_wrong_clock_is_measured_by_our_own() {
    for stamp in ["1970-01-01T00:00:00Z", "2199-01-01T00:00:00Z"] {
        let server = world();
        let stamp = stamp.parse().ok();
        let foreign = Record {
            holder: Some("x".into()),
            duration: Some(15 * SECOND),
            acquired: stamp,
            renewed: stamp,
            transitions: 41,
        };
        server.lock().unwrap().put(foreign);
        let mut a = Replica::start("a", &server);
        let start = Instant::now();
        assert_eq!(a.leadership.leading().await, 42);
        assert_eq!(start.elapsed().as_secs(), 15, "at its end, not a pause later: {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_that_see_the_end_together_one_wins() {
    for latency in [0, 100, 900] {
        let server = world();
        let dead = Record { holder: Some("x".into()), duration: Some(15 * SECOND), ..Record::default() };
        server.lock().unwrap().put(dead);
        let replicas = ["a", "b", "c"].map(|name| Replica::start(name, &server));
        for replica in &replicas {
            replica.fake.set_road(Road { latency: Duration::from_millis(latency), ..Road::default() });
        }
        sleep(25 * SECOND).await;
        assert_eq!(replicas.iter().filter(|r| r.leadership.is_leader()).count(), 1);
        assert_eq!(record(&server).transitions, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stolen_lease_is_noticed_at_the_next_renewal() {
    let server = world();
    let mut a = Replica::start("a", &server);
    a.leadership.leading().await;
    let stolen = Record { holder: Some("thief".into()), transitions: 9, ..record(&server) };
    server.lock().unwrap().put(stolen);
    a.leadership.lost(1).await;
    assert_eq!(a.standby_of().as_deref(), Some("thief"));
    assert_eq!(a.leadership.write_budget(), None);
    assert_eq!(a.leadership.leading().await, 10, "the thief never renewed");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_is_lost_does_not_end_the_term() {
    let server = world();
    let mut a = Replica::start("a", &server);
    a.leadership.leading().await;
    a.fake.set_road(Road { deaf: true, ..Road::default() });
    sleep(4 * SECOND).await;
    a.fake.set_road(Road::default());
    sleep(30 * SECOND).await;
    assert_eq!(a.leadership.role(), Role::Leading { term: 1 });
    assert_eq!(record(&server).transitions, 1);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_and_a_relabelled_one_do_no_harm() {
    let server = world();
    let mut a = Replica::start("a", &server);
    a.leadership.leading().await;
    let same = record(&server);
    server.lock().unwrap().put(same); // a label: another version, the same record
    sleep(10 * SECOND).await;
    assert_eq!(a.leadership.role(), Role::Leading { term: 1 });
    server.lock().unwrap().lease = None;
    sleep(5 * SECOND).await;
    assert_eq!(a.leadership.role(), Role::Leading { term: 2 }, "made anew, in a new term");
    assert!(a.leadership.is_leader());
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_middle_of_a_renewal_still_releases() {
    let server = world();
    let mut a = Replica::start("a", &server);
    a.leadership.leading().await;
    a.fake.set_road(Road { latency: SECOND, ..Road::default() });
    let before = server.lock().unwrap().version;
    while server.lock().unwrap().version == before {
        sleep(SECOND / 10).await; // until the renewal has arrived, its answer on the way
    }
    a.fake.set_road(Road::default());
    a.stop();
    a.task.await.unwrap();
    assert_eq!(record(&server).holder, None);
}

#[tokio::test(start_paused = true)]
async fn a_dead_elector_leads_no_longer_than_its_lease() {
    let server = world();
    let mut a = Replica::start("a", &server);
    a.leadership.leading().await;
    a.task.abort();
    let start = Instant::now();
    a.leadership.lost(1).await;
    assert!(start.elapsed() <= 10 * SECOND);
    assert!(!a.leadership.is_leader());
}

#[tokio::test(start_paused = true)]
async fn without_an_election_everything_may_be_written() {
    let mut always = Leadership::always();
    assert_eq!((always.is_leader(), always.leading().await), (true, 0));
    assert_eq!(always.write(SECOND, async { Ok::<_, CallError>(7) }).await, Ok(7));
    advance(9999 * SECOND).await;
    assert!(always.is_leader());
    assert!(tokio::time::timeout(SECOND, always.lost(0)).await.is_err());
}

/// A small generator, so that a failing seed can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn road(&mut self) -> Road {
        match self.roll(8) {
            0 => Road { cut: true, ..Road::default() },
            1 => Road { deaf: true, ..Road::default() },
            n => Road { latency: Duration::from_millis(self.roll(400 * n)), ..Road::default() },
        }
    }
}

/// Who writes at this moment, and how many writes at once.
type Writing = Arc<Mutex<std::collections::HashMap<String, usize>>>;

/// One write under way. Writes of one replica may overlap, those of two may not.
struct Write {
    who: String,
    writing: Writing,
}

impl Write {
    fn start(who: &str, writing: &Writing, seed: u64) -> Self {
        let mut held = writing.lock().unwrap();
        *held.entry(who.to_owned()).or_default() += 1;
        assert_eq!(held.len(), 1, "seed {seed}: {who} does not write alone: {held:?}");
        Self { who: who.to_owned(), writing: Arc::clone(writing) }
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        let mut held = self.writing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.who) {
            *count -= 1;
        }
        held.retain(|_, count| *count > 0);
    }
}

/// Law 7 under bad luck: three replicas on bad roads, one stopped and replaced
/// now and then; each writes as long as it may. No two of them ever write at the
/// same time.
#[tokio::test(start_paused = true)]
async fn no_two_replicas_ever_write_at_the_same_time() {
    for seed in 1..=20 {
        let mut dice = Dice(seed);
        let server = world();
        let mut replicas = ["0", "1", "2"].map(|name| (name.to_owned(), Replica::start(name, &server)));
        let writing = Writing::default();
        let mut writers = tokio::task::JoinSet::new();
        let mut written = 0;
        for step in 0..240 {
            let unlucky = &mut replicas[usize::try_from(dice.roll(3)).unwrap()];
            unlucky.1.fake.set_road(dice.road());
            if dice.roll(20) == 0 {
                unlucky.1.stop();
                let name = format!("{step}");
                *unlucky = (name.clone(), Replica::start(&name, &server));
            }
            for (name, replica) in &replicas {
                let (name, leadership, writing) = (name.clone(), replica.leadership.clone(), writing.clone());
                let length = Duration::from_millis(dice.roll(20_000));
                writers.spawn(async move {
                    let write = async {
                        let _write = Write::start(&name, &writing, seed);
                        sleep(length).await;
                        Ok::<_, CallError>(())
                    };
                    leadership.write(15 * SECOND, write).await != Err(WriteError::NotLeader)
                });
            }
            sleep(Duration::from_millis(dice.roll(4000))).await;
            while let Some(started) = writers.try_join_next() {
                written += u32::from(started.unwrap());
            }
        }
        assert!(written > 40, "seed {seed}: only {written} writes");
        assert!(record(&server).transitions > 1, "seed {seed}: leadership never changed");
    }
}

//! What a watchdog makes of a Lease.

use super::fake::{Fake, Replica, Road};
use super::*;

const LIMIT: Duration = Duration::from_secs(60);

async fn is_silent(fake: &Fake) -> (bool, Duration) {
    let start = Instant::now();
    let found = silence(fake, LIMIT).await.unwrap();
    (found.is_some(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn an_operator_is_noticed_at_once_and_its_absence_after_the_limit() {
    let server = world();
    let fake = Fake::on(&server);
    assert_eq!(is_silent(&fake).await, (true, LIMIT), "there is no Lease, and nobody makes one");
    let a = Replica::start("a", &server);
    assert_eq!(is_silent(&fake).await, (false, 5 * SECOND));
    a.task.abort();
    let (silent, after) = is_silent(&fake).await;
    assert!(silent && after >= LIMIT && after <= LIMIT + 5 * SECOND, "{after:?}");
}

/// The times in a Lease are those of a clock that may be a year off, either way.
#[tokio::test(start_paused = true)]
async fn clocks_have_no_say() {
    let server = world();
    let fake = Fake::on(&server);
    let renewed = |text: &str| Record {
        holder: Some("a".into()),
        renewed: Some(text.parse().unwrap()),
        ..Record::default()
    };
    for times in
        [["2001-01-01T00:00:00Z", "2001-01-01T00:00:02Z"], ["2101-01-01T00:00:00Z", "2100-01-01T00:00:00Z"]]
    {
        server.lock().unwrap().put(renewed(times[0]));
        let writer = server.clone();
        let write = async {
            sleep(50 * SECOND).await;
            writer.lock().unwrap().put(renewed(times[1]));
        };
        let ((silent, _), ()) = tokio::join!(is_silent(&fake), write);
        assert!(!silent, "{times:?}");
    }
    assert!(is_silent(&fake).await.0, "renewed in the future, and never again");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_read_is_not_concluded_from() {
    let server = world();
    let fake = Fake::on(&server);
    server.lock().unwrap().put(Record::default());
    let away = async {
        sleep(30 * SECOND).await;
        fake.set_road(Road { cut: true, ..Road::default() });
        sleep(20 * SECOND).await;
        fake.set_road(Road::default());
    };
    let ((silent, after), ()) = tokio::join!(is_silent(&fake), away);
    assert!(silent && after > LIMIT + 45 * SECOND, "the wait began anew: {after:?}");
    fake.set_road(Road { cut: true, ..Road::default() });
    let start = Instant::now();
    assert!(matches!(silence(&fake, LIMIT).await, Err(CallError::Timeout(_))));
    assert!(start.elapsed() < 4 * LIMIT, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn silence_ends_when_somebody_takes_the_lease() {
    let server = world();
    let fake = Fake::on(&server);
    let found = silence(&fake, LIMIT).await.unwrap().unwrap();
    assert!(found.lasts(&fake).await.unwrap());
    let _a = Replica::start("a", &server);
    sleep(SECOND).await;
    assert!(!found.lasts(&fake).await.unwrap());
}

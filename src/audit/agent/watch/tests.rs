use jiff::SignedDuration;

use super::*;
use crate::audit::own::Own;
use crate::audit::ship::cosigned::Verified;
use crate::audit::spool::Settings;
use crate::audit::spool::batch::Batch;

/// A watch over a spool, without API servers and without anybody who ships.
struct Bed {
    _folder: tempfile::TempDir,
    spool: Spool,
    shipped: watch::Sender<Shipped>,
    watch: Watch,
}

impl Bed {
    fn new(lost: &[Lost]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { reserve: 0, ..Settings::new(folder.path().into(), "eu", "cp-1") };
        let (spool, _) = Spool::open(settings).unwrap();
        let (shipped, told) = watch::channel(Shipped::default());
        let watch = Watch::new(("eu", "cp-1"), spool.clone(), told, Vec::new(), lost);
        Self { _folder: folder, spool, shipped, watch }
    }

    /// Seals a segment of these, and has it read; the number that follows.
    async fn seal(&mut self, batches: Vec<Batch>) -> u64 {
        let mut next = 0;
        for batch in batches {
            next = self.spool.append(batch).await.unwrap().end;
        }
        self.spool.seal();
        self.spool.seals().wait_for(|sealed| *sealed == next).await.unwrap();
        self.watch.read().await;
        next
    }

    fn says(&mut self) -> Agent {
        self.watch.settle(Timestamp::now());
        self.watch.state().borrow().clone()
    }

    fn verified(&mut self, next: u64) {
        let verified = Verified { size: next, next, at: Timestamp::now() };
        self.shipped.send_modify(|shipped| shipped.verified = Some(verified));
    }
}

fn event(source: Source, text: &str) -> Batch {
    Batch::one(source, text.as_bytes().to_vec())
}

#[tokio::test]
async fn what_keeps_the_archive_from_being_whole_is_told() {
    let mut bed = Bed::new(&[(1, 2)]);
    bed.shipped.send_modify(|shipped| {
        shipped.archive = Some((false, "NotImmutable", "no lock".into()));
        shipped.trouble = Some(("SinkDenied", "no".into()));
        shipped.witness = Some(("WitnessRefused", "rewritten".into()));
    });
    let gap = Own::Gap { epoch: "e", first: 3, last: 4, why: "damage" };
    bed.seal(vec![Batch::own(gap.record(Timestamp::now()))]).await;
    let said = bed.says();
    let reasons: Vec<&str> = said.troubles.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(reasons, ["NotImmutable", "SinkDenied", "WitnessRefused"]);
    // What the start found, and what the log says itself.
    assert_eq!(said.gaps, [Gap { first: 1, last: 2 }, Gap { first: 3, last: 4 }]);
    bed.shipped
        .send_replace(Shipped { archive: Some((true, "Succeeded", "fit".into())), ..Shipped::default() });
    assert_eq!(bed.says().troubles, []);
}

#[tokio::test]
async fn the_oldest_record_that_nobody_vouches_for_is_told() {
    let mut bed = Bed::new(&[]);
    let first = bed.seal(vec![event(Source::AuditFile, "{}")]).await;
    let second = bed.seal(vec![event(Source::AuditFile, "{}")]).await;
    assert_eq!((bed.says().verified, bed.watch.waiting.len()), (0, 2));
    bed.verified(first);
    assert!(bed.says().oldest.is_some());
    assert_eq!((bed.says().verified, bed.watch.waiting.len()), (first, 1));
    bed.verified(second);
    assert_eq!(bed.says().oldest, None);
}

/// An event that comes by the file and by the webhook is one: taken twice it would hide one that is lost.
#[tokio::test]
async fn an_event_that_came_both_ways_counts_once() {
    let begin: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    let at = |second| begin + SignedDuration::from_secs(second);
    let mut bed = Bed::new(&[]);
    let look = |bed: &mut Bed, events, second| {
        let counted = Counted { started: 1.0, events, ..Counted::default() };
        let asked = Asked { began: at(second), ended: at(second), audit_id: None };
        bed.watch.reconciled.look(&counted, true, asked);
    };
    look(&mut bed, 0, 0);
    look(&mut bed, 2, 30);
    let text = r#"{"auditID":"a","stage":"ResponseComplete","stageTimestamp":"2026-11-23T00:00:15Z"}"#;
    bed.seal(vec![event(Source::AuditFile, text), event(Source::AuditWebhook, text)]).await;
    assert_eq!(bed.watch.reconciled.dropped(at(80)), 1);
}

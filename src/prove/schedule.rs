//! Who is asked about next: what changed goes first, then what is due, spread over the period. Pure.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{conditions::ConditionStatus, tenant_status::ProofStatus},
    desired::meta::short_hash,
};

use super::judge;

/// Time until an answer that nobody could give is asked for again.
const AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// How urgent it is to ask about a Tenant; least first. `None`: not now.
pub fn urgency(
    proof: Option<&ProofStatus>,
    (uid, subject, asked): (&str, &str, &str),
    period: SignedDuration,
    now: Timestamp,
) -> Option<u8> {
    let Some(proof) = proof.filter(|proof| proof.subject == subject) else { return Some(0) };
    if proof.asked != asked {
        return Some(1);
    }
    let Some(age) = judge::age(proof, now) else { return Some(2) };
    let again = AGAIN.min(period);
    if proof.outcome == ConditionStatus::Unknown && age >= again {
        return Some(2);
    }
    (age >= period || age >= since_turn(uid, period, now)).then_some(3)
}

/// How long ago a Tenant's turn was: each has its own moment in the period, so that not all are asked at once.
fn since_turn(uid: &str, period: SignedDuration, now: Timestamp) -> SignedDuration {
    let seconds = period.as_secs().max(1);
    let hash = u32::from_str_radix(&short_hash(uid.as_bytes(), 8), 16).unwrap_or_default();
    let moment = i64::from(hash) % seconds;
    // Whole seconds, so that evidence of the very moment is not older than its turn.
    SignedDuration::from_secs((now.as_second() - moment).rem_euclid(seconds) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: SignedDuration = SignedDuration::from_hours(6);

    fn proof(at: Timestamp, outcome: ConditionStatus) -> ProofStatus {
        ProofStatus {
            at: at.to_string(),
            subject: "s".into(),
            asked: "a".into(),
            outcome,
            ..ProofStatus::default()
        }
    }

    #[test]
    fn what_changed_goes_first_and_nothing_is_asked_twice() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let of =
            |proof: Option<&ProofStatus>, subject, asked| urgency(proof, ("u", subject, asked), PERIOD, now);
        let good = proof(now, ConditionStatus::True);
        assert_eq!(of(None, "s", "a"), Some(0));
        assert_eq!(of(Some(&good), "another", "a"), Some(0));
        assert_eq!(of(Some(&good), "s", "another"), Some(1));
        assert_eq!(of(Some(&good), "s", "a"), None);
        let unknown = proof(now - SignedDuration::from_secs(61), ConditionStatus::Unknown);
        assert_eq!(of(Some(&unknown), "s", "a"), Some(2));
        let ahead = proof(now + SignedDuration::from_hours(800), ConditionStatus::True);
        assert_eq!(
            of(Some(&ahead), "s", "a"),
            Some(2),
            "a clock that jumped back leaves no evidence for a month"
        );
    }

    #[test]
    fn everyone_has_a_turn_once_a_period_and_not_all_at_once() {
        let begin: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let mut busiest = 0;
        let mut turns = vec![0; 100];
        let mut last: Vec<Timestamp> = vec![begin; 100];
        for minute in 0..12 * 60 {
            let now = begin + SignedDuration::from_mins(minute);
            let mut at_once = 0;
            for tenant in 0..100 {
                let before = proof(last[tenant], ConditionStatus::True);
                let uid = format!("uid-{tenant}");
                if urgency(Some(&before), (&uid, "s", "a"), PERIOD, now).is_some() {
                    last[tenant] = now;
                    turns[tenant] += 1;
                    at_once += 1;
                }
            }
            busiest = busiest.max(at_once);
        }
        assert!(turns.iter().all(|count| (1..=3).contains(count)), "{turns:?}");
        assert!(busiest <= 5, "{busiest} at once");
    }
}

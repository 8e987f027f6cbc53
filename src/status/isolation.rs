//! Whether anything weakens a tenant's isolation. True on evidence only: what is in place may still not be enforced.

use jiff::Timestamp;

use crate::{
    api::{
        conditions::{ConditionStatus, reasons},
        kinds::Kind,
        tenant_status::ProofStatus,
    },
    observe::workloads::Observed,
    prove::{
        doors::{Doors, open_words},
        judge,
    },
};

use super::set::Verdict;

/// Reasons that evidence can give.
const REASONS: [&str; 5] = [
    reasons::ACCESS_TOO_WIDE,
    reasons::POD_SECURITY_NOT_ENFORCED,
    reasons::GUARDS_MISSING,
    reasons::REVIEW_FAILED,
    reasons::TRIAL_FAILED,
];

/// The evidence that a status stands on: what was found out by now, or what it said before.
pub fn evidence<'a>(observed: &'a Observed, before: Option<&'a ProofStatus>) -> Option<&'a ProofStatus> {
    observed.proof.as_ref().or(before)
}

/// The verdict. What is wrong goes before what nobody knows.
pub fn isolated(applied: bool, observed: &Observed, proof: Option<&ProofStatus>, now: Timestamp) -> Verdict {
    if !applied {
        let message = "the isolation objects are not all in place; Ready says why";
        return Verdict::unknown(reasons::NOT_APPLIED, message);
    }
    if let Some(foreign) = foreign(observed) {
        return foreign;
    }
    let proof = proof.filter(|proof| judge::is_valid(proof, &observed.subject, now));
    let found = proof.filter(|proof| proof.outcome != ConditionStatus::True).map(of);
    if let Some(broken) = found.clone().filter(|found| found.status == ConditionStatus::False) {
        return broken;
    }
    let untried = match observed.doors.now(now) {
        Doors::Open { door, .. } => {
            return Verdict::no(reasons::NETWORK_POLICY_NOT_ENFORCED, open_words(&door));
        }
        Doors::NotTried(why) => Some(why),
        Doors::Closed { .. } => None,
    };
    if let Some(open) = found {
        return open;
    }
    let in_place = "policies, quota, roles and Pod Security level are in place";
    match (proof, untried) {
        (Some(proof), None) => {
            let message =
                format!("{in_place}; {}; the network shuts one tenant's pods to another's", proof.message);
            Verdict::yes(reasons::SUCCEEDED, message)
        }
        (Some(proof), Some(why)) => {
            Verdict::unknown(reasons::NOT_PROBED, format!("{in_place}; {}; {why}", proof.message))
        }
        (None, _) => {
            let message = format!(
                "{in_place}; what members may do, and what the API server refuses, was not tried yet, or too long ago"
            );
            Verdict::unknown(reasons::NOT_PROBED, message)
        }
    }
}

/// Policies and bindings in the namespace that aren't ours.
fn foreign(observed: &Observed) -> Option<Verdict> {
    let list = |kind: Kind| {
        let named = observed.foreign.iter().filter(|id| id.kind == kind).map(ToString::to_string);
        named.collect::<Vec<_>>().join(", ")
    };
    let (policies, bindings) = (list(Kind::NetworkPolicy), list(Kind::RoleBinding));
    if !bindings.is_empty() {
        let message =
            format!("{bindings}: not made by Tenantry; delete it, or give the access through spec.members");
        return Some(Verdict::no(reasons::FOREIGN_BINDING, message));
    }
    (!policies.is_empty()).then(|| {
        let message = format!(
            "{policies}: not made by Tenantry; delete it, or open the way through spec.egress or the Platform"
        );
        Verdict::no(reasons::FOREIGN_POLICY, message)
    })
}

/// What evidence says, in its own words.
fn of(proof: &ProofStatus) -> Verdict {
    let reason = REASONS.into_iter().find(|one| *one == proof.reason).unwrap_or(reasons::REVIEW_FAILED);
    Verdict { status: proof.outcome, reason, message: proof.message.clone() }
}

#[cfg(test)]
mod tests;

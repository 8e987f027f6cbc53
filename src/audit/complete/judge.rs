//! The verdict over all agents. Pure.

use jiff::{SignedDuration, Timestamp};

use super::super::ship::cosigned;
use super::state::{Agent, Server};
use crate::api::conditions::reasons::{
    AGENT_MISSING, CANARY_MISSING, EVENTS_LOST, SOURCE_DROPPED, SUCCEEDED, UNVERIFIED, WITNESS_STALE,
};
use crate::api::conditions::{ConditionStatus, reasons};

/// How old what an agent says may be.
pub const STALE: SignedDuration = SignedDuration::from_secs(90);
/// How long a canary may be on its way into the verified archive.
pub const CANARY: SignedDuration = SignedDuration::from_secs(90);

/// What is said of a Platform's audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is complete; unknown when nobody says.
    pub status: ConditionStatus,
    /// Reason constant.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

fn says(status: ConditionStatus, reason: &'static str, message: String) -> Verdict {
    Verdict { status, reason, message }
}

/// Every reason that the log isn't complete, as far as anybody knows.
pub const REASONS: &[&str] = &[
    AGENT_MISSING,
    reasons::INPUT_UNREADABLE,
    CANARY_MISSING,
    EVENTS_LOST,
    SOURCE_DROPPED,
    UNVERIFIED,
    WITNESS_STALE,
    reasons::WITNESS_REFUSED,
    reasons::FORK_DETECTED,
    reasons::REMOTE_MISMATCH,
    reasons::SINK_DENIED,
    reasons::SINK_MISSING,
    reasons::SINK_FAILING,
    reasons::SPOOL_FULL,
    reasons::SPOOL_FAILING,
    reasons::SPOOL_DAMAGED,
    reasons::SAME_ACCOUNT,
    reasons::WRONG_OWNER,
    reasons::NOT_VERSIONED,
    reasons::NOT_IMMUTABLE,
    reasons::LOCK_TOO_SHORT,
    reasons::NO_CONDITIONAL_PUT,
    reasons::WRITER_CAN_READ,
    reasons::WRITER_CAN_DELETE,
    reasons::CLOCK_SKEW,
    reasons::STORE_UNREACHABLE,
];

/// An agent's reason, if it is one of ours: another release may know more.
fn known(reason: &str) -> &'static str {
    REASONS.iter().find(|known| **known == reason).copied().unwrap_or(UNVERIFIED)
}

/// What agents say can't be read: nobody knows, and it isn't they who are silent.
#[must_use]
pub fn unheard(problem: &str) -> Verdict {
    let words = format!(
        "what audit agents say can't be read: {problem}; the operator may get ConfigMaps tenantry-audit-<agent> of its own namespace by manifests/install: see its Role"
    );
    says(ConditionStatus::Unknown, reasons::INPUT_UNREADABLE, words)
}

/// Judges what the agents say that must be heard.
#[must_use]
pub fn judge(agents: &[Agent], now: Timestamp) -> Verdict {
    if agents.is_empty() {
        let words = "no audit agent has said anything: install it on the control-plane nodes (manifests/audit/agent.yaml), one beside each kube-apiserver";
        return says(ConditionStatus::Unknown, AGENT_MISSING, words.into());
    }
    let silent = agents.iter().find(|agent| agent.at.is_none_or(|at| now.duration_since(at) > STALE));
    if let Some(agent) = silent {
        let since = agent.at.map_or_else(|| "yet".into(), |at| format!("since {at}"));
        let words = format!("agent {} has said nothing {since}: see its pod on that node", agent.agent);
        return says(ConditionStatus::Unknown, AGENT_MISSING, words);
    }
    let wrong = agents.iter().find_map(|agent| broken(agent, now));
    wrong.unwrap_or_else(|| {
        let (records, verified) =
            agents.iter().fold((0, 0), |sum, agent| (sum.0 + agent.records, sum.1 + agent.verified));
        let words = format!(
            "{verified} of {records} records are in the archive and cosigned; nothing is missing on the way from {} of the API server",
            instances(agents.iter().map(|agent| agent.servers.len()).sum())
        );
        says(ConditionStatus::True, SUCCEEDED, words)
    })
}

/// What is wrong with one agent's log.
fn broken(agent: &Agent, now: Timestamp) -> Option<Verdict> {
    let name = &agent.agent;
    let no = |reason: &'static str, words: String| {
        Some(says(ConditionStatus::False, reason, format!("agent {name}: {words}")))
    };
    if let Some(trouble) = agent.troubles.first() {
        return no(known(&trouble.reason), trouble.message.clone());
    }
    if let Some(gap) = agent.gaps.last() {
        let (first, last, epoch) = (gap.first, gap.last, &agent.epoch);
        return no(
            EVENTS_LOST,
            format!(
                "records {first} to {last} of epoch {epoch} were acknowledged and are lost; the log itself says so"
            ),
        );
    }
    if let Some(unread) = agent.unread.last() {
        return no(
            EVENTS_LOST,
            format!("{unread}; keep rotated files for longer than the agent may be away"),
        );
    }
    if agent.servers.is_empty() {
        return no(CANARY_MISSING, "it asks no API server: start it with --apiserver".into());
    }
    if let Some(wrong) = agent.servers.iter().find_map(|server| of_server(server, now)) {
        return no(wrong.0, wrong.1);
    }
    let is_behind = agent.verified < agent.records;
    if is_behind && agent.witnessed.is_none_or(|at| now.duration_since(at) > cosigned::STALE) {
        let since = agent.witnessed.map_or_else(|| "ever".into(), |at| at.to_string());
        return no(
            WITNESS_STALE,
            format!(
                "the witness has cosigned nothing since {since}: see whether `tenantry witness` runs in the archive account"
            ),
        );
    }
    let late = agent.oldest.filter(|oldest| is_behind && now.duration_since(*oldest) > cosigned::STALE);
    late.and_then(|oldest| {
        no(UNVERIFIED, format!("records from {oldest} on are not in the verified archive yet"))
    })
}

fn of_server(server: &Server, now: Timestamp) -> Option<(&'static str, String)> {
    let at = &server.address;
    if server.failed > 0 {
        return Some((
            SOURCE_DROPPED,
            format!(
                "{at} says that it lost {} (apiserver_audit_error_total): see its log",
                count(server.failed)
            ),
        ));
    }
    if server.dropped > 0 {
        return Some((
            SOURCE_DROPPED,
            format!(
                "{at} counts {} that never arrived (apiserver_audit_event_total): see its --audit-* flags and the policy",
                count(server.dropped)
            ),
        ));
    }
    if let Some(said) = &server.unasked {
        return Some((CANARY_MISSING, format!("{at} can't be asked: {said}")));
    }
    let since = server.canary.filter(|sent| now.duration_since(*sent) <= CANARY);
    since.is_none().then(|| {
        let last = server.canary.map_or_else(|| "no request".into(), |sent| format!("the last request that did was sent at {sent}; no later one"));
        (CANARY_MISSING, format!("{last} of ours through {at} reached the verified archive: its audit log is off, its policy leaves them out, or the way is broken"))
    })
}

fn count(events: u64) -> String {
    if events == 1 { "1 event".into() } else { format!("{events} events") }
}

fn instances(count: usize) -> String {
    if count == 1 { "1 instance".into() } else { format!("{count} instances") }
}

#[cfg(test)]
mod tests {
    use super::super::state::{Gap, Trouble};
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T03:00:00Z".parse().unwrap()
    }

    fn ago(seconds: i64) -> Option<Timestamp> {
        Some(now() - SignedDuration::from_secs(seconds))
    }

    fn fine() -> Agent {
        Agent {
            agent: "cp-1".into(),
            epoch: "e".into(),
            at: ago(5),
            records: 100,
            shipped: 95,
            verified: 90,
            witnessed: ago(30),
            oldest: ago(30),
            servers: vec![Server { address: "10.0.0.1:6443".into(), canary: ago(60), ..Server::default() }],
            ..Agent::default()
        }
    }

    #[track_caller]
    fn reason(change: impl Fn(&mut Agent)) -> (ConditionStatus, &'static str) {
        let mut agent = fine();
        change(&mut agent);
        let verdict = judge(&[fine(), agent], now());
        assert!(!verdict.message.is_empty());
        (verdict.status, verdict.reason)
    }

    #[test]
    fn it_is_complete_only_if_all_of_it_holds() {
        use ConditionStatus::{False, True, Unknown};
        let is = |change: &dyn Fn(&mut Agent), status, word: &'static str| {
            assert_eq!(reason(change), (status, word), "{word}");
        };
        is(&|_| {}, True, "Succeeded");
        is(&|agent| agent.at = ago(91), Unknown, "AgentMissing");
        is(&|agent| agent.at = None, Unknown, "AgentMissing");
        is(
            &|agent| agent.troubles.push(Trouble { reason: "SinkDenied".into(), message: "x".into() }),
            False,
            "SinkDenied",
        );
        is(&|agent| agent.gaps.push(Gap { first: 1, last: 2 }), False, EVENTS_LOST);
        is(&|agent| agent.unread.push("a file is gone".into()), False, EVENTS_LOST);
        is(&|agent| agent.servers[0].failed = 1, False, SOURCE_DROPPED);
        is(&|agent| agent.servers[0].dropped = 2, False, SOURCE_DROPPED);
        is(&|agent| agent.servers[0].canary = ago(91), False, CANARY_MISSING);
        is(&|agent| agent.servers[0].canary = None, False, CANARY_MISSING);
        is(&|agent| agent.servers.clear(), False, CANARY_MISSING);
        is(&|agent| agent.servers[0].unasked = Some("refused".into()), False, CANARY_MISSING);
        is(&|agent| agent.witnessed = ago(601), False, WITNESS_STALE);
        is(&|agent| agent.oldest = ago(601), False, UNVERIFIED);
        // Nothing happened for a long time: nothing is late.
        is(&|agent| (agent.records, agent.oldest) = (90, None), True, "Succeeded");
        assert_eq!(judge(&[], now()).status, Unknown);
    }
}

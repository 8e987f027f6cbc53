//! The next step of a reason of the audit log. Pure.

use crate::api::conditions::reasons;
use crate::audit::complete::judge::REASONS;

/// The next step; `None` when it is none of the audit log's reasons.
pub(super) fn step(reason: &str) -> Option<String> {
    let words = match reason {
        reasons::AGENT_MISSING => {
            "see the agents: kubectl get pods -A -l app.kubernetes.io/component=audit-agent -o wide"
        }
        reasons::CANARY_MISSING | reasons::SOURCE_DROPPED => {
            "judge the policy and flags of that API server: tenantry audit policy --lint FILE --apiserver FILE"
        }
        reasons::WITNESS_STALE
        | reasons::WITNESS_REFUSED
        | reasons::REMOTE_MISMATCH
        | reasons::FORK_DETECTED => {
            "in the archive's account: see what tenantry witness says, and run tenantry audit verify"
        }
        reasons::EVENTS_LOST => {
            "see the disk of that node; the log names what is lost: tenantry audit verify"
        }
        reasons::SPOOL_FULL | reasons::SPOOL_FAILING | reasons::SPOOL_DAMAGED => {
            "see the disk of that node, and /status of the agent on it: curl 127.0.0.1:9445/status"
        }
        // Not the audit log's alone.
        reasons::INPUT_UNREADABLE => return None,
        other if REASONS.contains(&other) => {
            "see what the agent says of the archive: curl 127.0.0.1:9445/status on its node"
        }
        _ => return None,
    };
    Some(words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command that looks in the wrong place finds nothing, and says that there is nothing.
    #[test]
    fn agents_are_looked_for_where_they_are() {
        let agent = include_str!("../../../manifests/audit/agent.yaml");
        let said = step(reasons::AGENT_MISSING).unwrap();
        let label = "app.kubernetes.io/component: audit-agent";
        assert!(agent.contains(label) && said.contains(&label.replace(": ", "=")), "{said}");
        // They aren't in the operator's namespace, and a chart may put them into any.
        assert!(said.contains(" -A ") && !said.contains(" -n "), "{said}");
    }
}

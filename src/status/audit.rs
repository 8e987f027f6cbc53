//! What a Platform's status says of its audit log. Pure.

use jiff::Timestamp;

use super::set::{Verdict, whole_second};
use crate::api::audit::{AuditAgent, AuditStatus};
use crate::audit::complete::judge;
use crate::audit::complete::state::Agent;
use crate::validate::text::sanitize;

/// What the agents said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether the log is complete.
    pub verdict: judge::Verdict,
    /// Each agent.
    pub agents: Vec<Agent>,
    /// When they were heard.
    pub at: Timestamp,
}

/// Longest message of an agent's that is repeated, in characters.
const MOST: usize = 1024;

/// The condition.
pub fn verdict(report: &Report) -> Verdict {
    let judge::Verdict { status, reason, message } = &report.verdict;
    // An agent's words come from another program.
    Verdict { status: *status, reason, message: sanitize(message, MOST) }
}

/// The figures.
pub fn figures(report: &Report) -> AuditStatus {
    let agents = report.agents.iter().filter(|agent| agent.at.is_some()).map(agent).collect();
    AuditStatus { observed_at: whole_second(report.at), agents }
}

fn agent(agent: &Agent) -> AuditAgent {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let time = |time: Option<Timestamp>| time.map(whole_second);
    AuditAgent {
        name: agent.agent.clone(),
        epoch: sanitize(&agent.epoch, 64),
        records: number(agent.records),
        shipped: number(agent.shipped),
        verified: number(agent.verified),
        checkpoint: time(agent.checkpoint),
        witnessed: time(agent.witnessed),
        oldest_unverified: time(agent.oldest),
        spool_bytes: number(agent.spool_bytes),
        gaps: agent.gaps.iter().rev().take(16).map(|gap| format!("{}-{}", gap.first, gap.last)).collect(),
    }
}

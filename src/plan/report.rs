//! A plan with what the brakes say of it: what is shown, on a terminal and on a pull request. Pure.

use serde::Serialize;

use crate::{api::brake::Brake, trust::approval::RuleVerdict};

use super::{
    Planned, PlatformPlan,
    brake::{Held, judge},
    cluster::ClusterPlan,
    words,
};

/// A plan, of which commits it is, and what the brakes say.
#[derive(Debug)]
pub struct Report {
    /// Full id of the first commit.
    pub base: String,
    /// Full id of the second commit.
    pub head: String,
    /// The plan, and what it was made of.
    pub planned: Planned,
    /// What each Platform's brake says.
    pub verdicts: Vec<Verdict>,
    /// What each Platform's rules for approvals say, where that was asked for.
    pub approved: Vec<Approved>,
    /// What the cluster says, where it was asked.
    pub cluster: Option<ClusterPlan>,
}

/// What a Platform's brake says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The Platform.
    pub platform: String,
    /// Whether its settings are the defaults, because its source is not among the files.
    pub assumed: bool,
    /// Why the plan would be held.
    pub held: Option<Held>,
    /// The line that lets the commit pass, where it is held.
    pub acknowledge: Option<String>,
}

/// What a Platform's rules say.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Approved {
    /// The Platform.
    pub platform: String,
    /// Whether enough people approved everything.
    pub passes: bool,
    /// Each rule, and what it has.
    pub rules: Vec<RuleVerdict>,
    /// Approvals that don't count, and why.
    pub refused: Vec<String>,
}

impl Approved {
    /// What is missing, a line each; then what doesn't count.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let rule = |rule: &RuleVerdict| {
            let RuleVerdict { rule, required, have, by, may, short, short_count } = rule;
            let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
            let more = match short_count.saturating_sub(short.len()) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let missing = match short.is_empty() {
                true => String::new(),
                false => format!("; missing for {}{more}; may approve: {}", short.join(", "), may.join(", ")),
            };
            format!("rule {rule}: {have} of {required}{by}{missing}")
        };
        let refused = self.refused.iter().map(|refused| format!("not counted: {refused}"));
        self.rules.iter().map(rule).chain(refused).collect()
    }
}

/// What a plan comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It can be applied.
    Clean,
    /// A brake would hold it until somebody says that it is meant.
    Held,
    /// Files have findings that they had not before, or the cluster refuses something.
    Findings,
}

impl Report {
    /// The brake of each Platform judges as the cluster has it, where `known` tells that, or else as BASE has it:
    /// HEAD can't loosen it.
    pub fn new(base: String, head: String, planned: Planned, known: Option<(&str, &Brake)>) -> Self {
        let verdicts =
            planned.plan.platforms.iter().map(|one| verdict(&planned, one, &head, known)).collect();
        Self { base, head, planned, verdicts, approved: Vec::new(), cluster: None }
    }

    /// Takes in what the cluster says. Where it has a Platform, that one's own brake judges.
    pub fn held_against(&mut self, cluster: ClusterPlan) {
        for (known, platform) in self.verdicts.iter_mut().zip(&self.planned.plan.platforms) {
            if let Some(brake) = cluster.brakes.get(&platform.name) {
                *known = verdict(&self.planned, platform, &self.head, Some((&platform.name, brake)));
            }
        }
        self.cluster = Some(cluster);
    }

    /// What the plan comes to.
    pub fn standing(&self) -> Standing {
        let refused = self.cluster.as_ref().is_some_and(|cluster| cluster.refused() > 0);
        if refused || !self.planned.plan.findings.is_empty() {
            return Standing::Findings;
        }
        let held = self.verdicts.iter().any(|verdict| verdict.held.is_some());
        if held { Standing::Held } else { Standing::Clean }
    }

    /// The plan in one line, with what it comes to.
    pub fn line(&self) -> String {
        let summary = words::summary(&self.planned.plan);
        match self.standing() {
            Standing::Held => format!("the brake would hold it: {summary}"),
            Standing::Clean | Standing::Findings => summary,
        }
    }
}

fn verdict(planned: &Planned, platform: &PlatformPlan, head: &str, known: Option<(&str, &Brake)>) -> Verdict {
    let name = &platform.name;
    let ruler = planned.base.platforms.get(name).or_else(|| planned.head.platforms.get(name));
    let source = ruler.and_then(|ruler| ruler.platform.spec.source.as_ref());
    let known = known.filter(|(known, _)| known == name).map(|(_, brake)| brake);
    let brake = known.or(source.map(|source| &source.brake)).cloned();
    let assumed = brake.is_none();
    let held = judge(&planned.plan, name, &brake.unwrap_or_default(), platform.tenants).err();
    let acknowledge = held.as_ref().map(|held| held.acknowledge(head));
    Verdict { platform: name.clone(), assumed, held, acknowledge }
}

//! Which approvals a change lacks, as the notes of this repository have them.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::super::out;
use crate::{
    api::{approvals::Approvals, verification::Verification},
    plan::{Planned, PlatformPlan},
    source::{CommitId, Local},
    trust::{
        Signers,
        approval::{By, RuleVerdict, Rules, review},
    },
};

/// What a Platform's rules say.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Approved {
    pub(super) platform: String,
    /// Whether enough people approved everything.
    pub(super) passes: bool,
    pub(super) rules: Vec<RuleVerdict>,
    /// Approvals that don't count, and why.
    pub(super) refused: Vec<String>,
}

impl Approved {
    /// What is missing, a line each; then what doesn't count.
    pub(super) fn lines(&self) -> Vec<String> {
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

/// Judges the change by each Platform's rules: as BASE has them, since HEAD can't loosen them.
pub(super) fn judge(
    repository: &Local,
    signers: Option<&PathBuf>,
    planned: &Planned,
    [base, head]: [CommitId; 2],
) -> Result<Vec<Approved>, Box<dyn std::error::Error>> {
    let asking: Vec<(&PlatformPlan, &Verification, &Approvals)> = planned
        .plan
        .platforms
        .iter()
        .filter_map(|platform| {
            let name = &platform.name;
            let ruler = planned.base.platforms.get(name).or_else(|| planned.head.platforms.get(name))?;
            let verification = ruler.platform.spec.source.as_ref()?.git.verification.as_ref()?;
            Some((platform, verification, verification.approvals.as_ref()?))
        })
        .collect();
    if asking.is_empty() {
        return Ok(Vec::new());
    }
    let Some(file) = signers else {
        out::stderr("note: approvals are asked for; which are missing is told with --signers FILE");
        return Ok(Vec::new());
    };
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("can't read {}: {error}", file.display()))?;
    let signers = Signers::parse(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let material = repository.material(base, head)?;
    let one = |(platform, verification, approvals): (&PlatformPlan, &Verification, &Approvals)| {
        let (forge, max_age) = (verification.forge_signers.as_slice(), approvals.max_age.0);
        let by = By { signers: &signers, forge, max_age, now: Timestamp::now() };
        let verdict = review(&Rules::of(approvals), &by, &material);
        Approved {
            platform: platform.name.clone(),
            passes: verdict.passes(),
            refused: verdict.refused.iter().map(ToString::to_string).collect(),
            rules: verdict.rules,
        }
    };
    Ok(asking.into_iter().map(one).collect())
}

//! Which approvals a change lacks, as the notes of this repository have them.

use std::path::PathBuf;

use jiff::Timestamp;

use super::super::out;
use crate::{
    api::{approvals::Approvals, verification::Verification},
    plan::{Planned, PlatformPlan, report::Approved},
    source::{CommitId, Local},
    trust::{
        Signers,
        approval::{By, Rules, review},
    },
};

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

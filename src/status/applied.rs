//! What became of a commit, for its status on the forge.

use crate::api::conditions::reasons;

use super::platform::SourceReport;

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// All of it is in the cluster.
    Yes(String),
    /// It waits for somebody.
    Held(String),
    /// A part of it, or all of it, can't be applied.
    No(String),
}

/// What became of the newest commit, and its full id; `None` while nobody knows.
pub fn applied(platform: &str, report: &SourceReport) -> Option<(String, Applied)> {
    let status = &report.status;
    let head = Some(status.head.clone()).filter(|head| !head.is_empty())?;
    let see = format!("kubectl describe platform {platform} says why");
    let is_held = status.head != status.accepted;
    let outcome = match &report.failure {
        Some((reason @ (reasons::UNVERIFIED_COMMIT | reasons::INVALID_SIGNERS), ..)) if is_held => {
            Applied::No(format!("held: {reason}; {see}"))
        }
        Some((reason, ..)) if is_held => Applied::Held(format!("held: {reason}; {see}")),
        // The repository can't be read, or nothing is to be applied: that says nothing of this commit.
        Some(_) => return None,
        None if status.applied != status.head && status.finding_count == 0 => return None,
        None if status.finding_count > 0 => {
            Applied::No(format!("{} findings in the files, the rest is applied; {see}", status.finding_count))
        }
        None => Applied::Yes(format!("applied: {} Tenants from {} files", status.tenants, status.files)),
    };
    Some((head, outcome))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::platform_status::SourceStatus;

    #[test]
    fn a_commit_is_applied_held_or_wrong_and_else_nobody_knows() {
        let report = |head: &str, accepted: &str, applied: &str, failure: Option<&'static str>, findings| {
            let status = SourceStatus {
                head: head.into(),
                accepted: accepted.into(),
                applied: applied.into(),
                tenants: 3,
                files: 2,
                finding_count: findings,
                ..SourceStatus::default()
            };
            SourceReport { status, failure: failure.map(|reason| (reason, "why".into(), true)) }
        };
        let of = |report| super::applied("prod", &report);
        let yes = Applied::Yes("applied: 3 Tenants from 2 files".into());
        assert_eq!(of(report("b", "b", "b", None, 0)), Some(("b".into(), yes)));
        assert_eq!(of(report("b", "b", "a", None, 0)), None, "on its way");
        assert_eq!(of(report("b", "b", "b", Some("RateLimited"), 0)), None);
        assert_eq!(of(report("", "", "", None, 0)), None);
        let found = of(report("b", "b", "b", None, 2));
        assert!(
            matches!(&found, Some((_, Applied::No(words))) if words.starts_with("2 findings")),
            "{found:?}"
        );
        let held = of(report("b", "a", "a", Some("BrakeApplied"), 0));
        assert!(
            matches!(&held, Some((_, Applied::Held(words))) if words.contains("BrakeApplied")),
            "{held:?}"
        );
        let unsigned = of(report("b", "a", "a", Some("UnverifiedCommit"), 0));
        assert!(matches!(&unsigned, Some((head, Applied::No(_))) if head == "b"), "{unsigned:?}");
    }
}

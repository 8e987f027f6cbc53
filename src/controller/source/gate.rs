//! The gate between looking and deciding: does the new head continue what was accepted, is it signed, and approved?

use kube::ResourceExt;

use crate::{
    api::{
        Platform, marks,
        verification::{Verification, VerificationMode},
    },
    plan::brake::Acknowledged,
    source::{self, Class, CommitId, Lineage, Reference, Settings, SourceError},
};

use super::{super::context::Context, approvals, approvals::Approvers, hold::Hold, signed};

/// Judges a head that was fetched: why it is held, or who approved what of it. `accepted` is the last revision that
/// came through here, `notes` the newest state of the notes with approvals.
pub(super) async fn pass(
    ctx: &Context,
    platform: &Platform,
    settings: &Settings,
    accepted: Option<CommitId>,
    head: CommitId,
    notes: Option<CommitId>,
) -> Result<Result<Approvers, Hold>, SourceError> {
    // After a restart: it was judged then, by the signers of then.
    if accepted == Some(head) {
        return Ok(Ok(Approvers::new()));
    }
    let lineage = match blocking(settings, move |settings| source::lineage(settings, accepted, head)).await {
        Ok(lineage) => lineage,
        Err(error) if error.class() == Class::Rejected => {
            return Ok(Err(Hold { reason: error.reason(), commit: head, message: error.to_string() }));
        }
        Err(error) => return Err(error),
    };
    if let Some(hold) = continues(platform, settings, accepted, head, &lineage) {
        return Ok(Err(hold));
    }
    let Some(verification) = asked(platform) else { return Ok(Ok(Approvers::new())) };
    if let Some(missing) = lineage.missing {
        return Ok(Err(Hold::incomplete(head, missing, name(platform), false)));
    }
    match signed::pass(ctx, settings, verification, head, lineage).await? {
        Err(hold) => Ok(Err(hold)),
        Ok(signed) => {
            let case = approvals::Case { accepted, head, notes };
            approvals::pass(ctx, platform, settings, signed, case).await
        }
    }
}

/// Whether the head continues what was accepted, or somebody says that it need not.
fn continues(
    platform: &Platform,
    settings: &Settings,
    accepted: Option<CommitId>,
    head: CommitId,
    lineage: &Lineage,
) -> Option<Hold> {
    // Who names a whole commit in the trust root means that commit.
    let pinned = matches!(settings.reference, Reference::Commit(_));
    let accepted = accepted.filter(|_| !lineage.descends && !pinned && !acknowledged(platform, head))?;
    Some(match lineage.missing {
        Some(missing) => Hold::incomplete(head, missing, name(platform), true),
        None => Hold::rewritten(head, accepted, name(platform)),
    })
}

fn acknowledged(platform: &Platform, head: CommitId) -> bool {
    let said = platform.annotations().get(marks::ACKNOWLEDGE);
    said.is_some_and(|said| Acknowledged::read(said).commit == head.to_string())
}

fn name(platform: &Platform) -> &str {
    platform.metadata.name.as_deref().unwrap_or_default()
}

/// What the Platform asks for, if it asks for signatures or approvals.
fn asked(platform: &Platform) -> Option<&Verification> {
    let verification = platform.spec.source.as_ref()?.git.verification.as_ref()?;
    let asks = verification.mode != VerificationMode::None || verification.approvals.is_some();
    asks.then_some(verification)
}

/// Runs what reads disks or computes long, off the worker threads.
pub(in crate::controller) async fn blocking<T: Send + 'static>(
    settings: &Settings,
    work: impl FnOnce(&Settings) -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    let settings = settings.clone();
    let done = tokio::task::spawn_blocking(move || work(&settings)).await;
    done.unwrap_or_else(|error| {
        Err(SourceError::Child { detail: format!("reading ended early: {error}"), source: None })
    })
}

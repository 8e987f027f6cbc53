//! The gate between looking and deciding: is the new head signed, and does it continue what was accepted?

use kube::ResourceExt;

use crate::{
    api::{
        Platform, marks,
        verification::{SignersRef, Verification, VerificationMode},
    },
    observe::secrets,
    plan::brake::Acknowledged,
    source::{self, Class, CommitId, Lineage, Reference, Settings, SourceError},
    trust::{Mode, Rules, Signers, judge},
};

use super::{super::context::Context, approvals, approvals::Approvers, hold::Hold};

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
    let kept = approvals::asked(platform).map(|_| lineage.clone());
    if let Some(hold) = signed(ctx, platform, settings, head, lineage).await? {
        return Ok(Err(hold));
    }
    match kept {
        Some(lineage) => {
            let case = approvals::Case { accepted, head, lineage, notes };
            approvals::pass(ctx, platform, settings, case).await
        }
        None => Ok(Ok(Approvers::new())),
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
    let name = platform.metadata.name.as_deref().unwrap_or_default();
    Some(match lineage.missing {
        Some(missing) => Hold::incomplete(head, missing, name, true),
        None => Hold::rewritten(head, accepted, name),
    })
}

fn acknowledged(platform: &Platform, head: CommitId) -> bool {
    let said = platform.annotations().get(marks::ACKNOWLEDGE);
    said.is_some_and(|said| Acknowledged::read(said).commit == head.to_string())
}

/// Whether the new commits are signed as the Platform asks.
async fn signed(
    ctx: &Context,
    platform: &Platform,
    settings: &Settings,
    head: CommitId,
    lineage: Lineage,
) -> Result<Option<Hold>, SourceError> {
    let git = platform.spec.source.as_ref().map(|source| &source.git);
    let Some((mode, from, forge)) = git.and_then(|git| git.verification.as_ref()).and_then(asked) else {
        return Ok(None);
    };
    if let Some(missing) = lineage.missing {
        let name = platform.metadata.name.as_deref().unwrap_or_default();
        return Ok(Some(Hold::incomplete(head, missing, name, false)));
    }
    let (signers, list) = match self::signers(ctx, head, &from).await {
        Ok(found) => found,
        Err(hold) => return Ok(Some(hold)),
    };
    blocking(settings, move |_| {
        let commits: Vec<_> = lineage.commits.into_iter().map(|(id, raw)| (id.to_string(), raw)).collect();
        let rules = Rules { mode, signers: &signers, forge: &forge };
        let refused = judge(&head.to_string(), &commits, &rules).err();
        Ok(refused.map(|refused| Hold::unverified(head, &refused, &list)))
    })
    .await
}

/// The list of signers, and how it is called.
pub(super) async fn signers(
    ctx: &Context,
    head: CommitId,
    from: &SignersRef,
) -> Result<(Signers, String), Hold> {
    let list = format!("{} {}/{}", from.kind.as_str(), ctx.namespace, from.name);
    let lists = secrets::signers(&ctx.client, &ctx.namespace, from).await;
    let lists = lists.map_err(|error| Hold::no_signers(head, &error.to_string()))?;
    match Signers::read(lists.ssh.as_deref(), lists.openpgp.as_deref()) {
        Ok(signers) => Ok((signers, list)),
        Err(error) => Err(Hold::no_signers(head, &format!("{list}: {error}"))),
    }
}

/// What the Platform asks for, if it asks for signatures.
fn asked(verification: &Verification) -> Option<(Mode, SignersRef, Vec<String>)> {
    let mode = match verification.mode {
        VerificationMode::None => return None,
        VerificationMode::Head => Mode::Head,
        VerificationMode::EveryCommit => Mode::EveryCommit,
    };
    Some((mode, verification.signers.clone()?, verification.forge_signers.clone()))
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

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

use super::{super::context::Context, hold::Hold};

/// Judges a head that was fetched. `accepted` is the last revision that came through here.
pub(super) async fn pass(
    ctx: &Context,
    platform: &Platform,
    settings: &Settings,
    accepted: Option<CommitId>,
    head: CommitId,
) -> Result<Option<Hold>, SourceError> {
    // After a restart: it was judged then, by the signers of then.
    if accepted == Some(head) {
        return Ok(None);
    }
    let lineage = match blocking(settings, move |settings| source::lineage(settings, accepted, head)).await {
        Ok(lineage) => lineage,
        Err(error) if error.class() == Class::Rejected => {
            return Ok(Some(Hold { reason: error.reason(), commit: head, message: error.to_string() }));
        }
        Err(error) => return Err(error),
    };
    if let Some(hold) = continues(platform, settings, accepted, head, &lineage) {
        return Ok(Some(hold));
    }
    signed(ctx, platform, settings, head, lineage).await
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
    let list = format!("{} {}/{}", from.kind.as_str(), ctx.namespace, from.name);
    let text = match secrets::signers(&ctx.client, &ctx.namespace, &from).await {
        Ok(text) => text,
        Err(error) => return Ok(Some(Hold::no_signers(head, &error.to_string()))),
    };
    let signers = match Signers::parse(&text) {
        Ok(signers) => signers,
        Err(error) => return Ok(Some(Hold::no_signers(head, &format!("{list}: {error}")))),
    };
    blocking(settings, move |_| {
        let commits: Vec<_> = lineage.commits.into_iter().map(|(id, raw)| (id.to_string(), raw)).collect();
        let rules = Rules { mode, signers: &signers, forge: &forge };
        let refused = judge(&head.to_string(), &commits, &rules).err();
        Ok(refused.map(|refused| Hold::unverified(head, &refused, &list)))
    })
    .await
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
pub(super) async fn blocking<T: Send + 'static>(
    settings: &Settings,
    work: impl FnOnce(&Settings) -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    let settings = settings.clone();
    let done = tokio::task::spawn_blocking(move || work(&settings)).await;
    done.unwrap_or_else(|error| {
        Err(SourceError::Child { detail: format!("reading ended early: {error}"), source: None })
    })
}

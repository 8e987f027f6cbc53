//! A stage of the gate: is the new head approved as the Platform asks?

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    api::{Platform, approvals::Approvals, verification::Verification},
    source::{self, CommitId, Lineage, Settings, SourceError},
    trust::approval::{By, Rules, review},
};

use super::{
    super::context::Context,
    gate::{self, blocking},
    hold::Hold,
};

/// Who approved each path of a change.
pub(super) type Approvers = BTreeMap<String, Vec<String>>;

/// A head and what is known of it.
pub(super) struct Case {
    /// The last accepted revision.
    pub(super) accepted: Option<CommitId>,
    pub(super) head: CommitId,
    /// The new commits.
    pub(super) lineage: Lineage,
    /// The newest state of the notes with approvals.
    pub(super) notes: Option<CommitId>,
}

/// What the Platform asks for, if it asks for approvals.
pub(super) fn asked(platform: &Platform) -> Option<(&Verification, &Approvals)> {
    let verification = platform.spec.source.as_ref()?.git.verification.as_ref()?;
    Some((verification, verification.approvals.as_ref()?))
}

/// Judges a head; who approved what, or why it is held.
pub(super) async fn pass(
    ctx: &Context,
    platform: &Platform,
    settings: &Settings,
    case: Case,
) -> Result<Result<Approvers, Hold>, SourceError> {
    let Some((verification, approvals)) = asked(platform) else { return Ok(Ok(Approvers::new())) };
    let head = case.head;
    if let Some(missing) = case.lineage.missing {
        let name = platform.metadata.name.as_deref().unwrap_or_default();
        return Ok(Err(Hold::incomplete(head, missing, name, false)));
    }
    let Some(from) = verification.signers.clone() else {
        return Ok(Err(Hold::no_signers(head, "spec.source.git.verification.signers is missing")));
    };
    let (signers, list) = match gate::signers(ctx, head, &from).await {
        Ok(found) => found,
        Err(hold) => return Ok(Err(hold)),
    };
    let mut notes = case.notes;
    if let Some(tip) = notes
        && !blocking(settings, move |settings| source::holds(settings, &tip)).await?
    {
        notes = source::fetch_notes(settings).await?;
    }
    let (rules, max_age) = (Rules::of(approvals), approvals.max_age.0);
    let (forge, now) = (verification.forge_signers.clone(), Timestamp::now());
    blocking(settings, move |settings| {
        let by = By { signers: &signers, forge: &forge, max_age, now };
        let material = source::material(settings, case.accepted, head, case.lineage, notes, Vec::new())?;
        let verdict = review(&rules, &by, &material);
        Ok(if verdict.passes() {
            Ok(verdict.approvers)
        } else {
            Err(Hold::not_approved(head, &verdict, &list))
        })
    })
    .await
}

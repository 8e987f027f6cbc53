//! A stage of the gate: is the new head approved as the Platform asks?

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    api::{Platform, approvals::Approvals, verification::Verification},
    forge::{ForgeApproval, ForgeError},
    source::{self, CommitId, Lineage, Settings, SourceError},
    trust::{
        Commit,
        approval::{By, Rules, Word, review},
    },
};

use super::{
    super::{context::Context, forge::access::Access},
    gate::{self, blocking},
    hold::Hold,
};

/// Most commits of the branch for which a forge is asked.
const PULLS: usize = 20;

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
    // Signed approvals may be enough without the forge's word.
    let (words, unheard) = match words(ctx, platform, approvals, &case.lineage).await {
        Ok(words) => (words, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    blocking(settings, move |settings| {
        let by = By { signers: &signers, forge: &forge, max_age, now };
        let material = source::material(settings, case.accepted, head, case.lineage, notes, words)?;
        let verdict = review(&rules, &by, &material);
        Ok(if verdict.passes() {
            Ok(verdict.approvers)
        } else {
            Err(Hold::not_approved(head, &verdict, &list, unheard.as_ref()))
        })
    })
    .await
}

/// What the forge says of approvals, where accounts on it count: of the pull requests that brought the new commits.
async fn words(
    ctx: &Context,
    platform: &Platform,
    approvals: &Approvals,
    lineage: &Lineage,
) -> Result<Vec<Word>, ForgeError> {
    let git = platform.spec.source.as_ref().map(|source| &source.git);
    let Some(git) = git.filter(|git| git.forge.is_some() && !approvals.forge_users.is_empty()) else {
        return Ok(Vec::new());
    };
    let branch = git.branch.as_deref().unwrap_or("main");
    let client = Access::default().client(ctx, git).await?;
    let mut pulls = BTreeMap::new();
    for commit in mainline(lineage) {
        let brought = client.brought(branch, &commit).await?;
        pulls.extend(brought.into_iter().map(|one| (one.pull.number, one.approvals)));
    }
    let word = |given: ForgeApproval| {
        // Without a commit and a time it proves nothing.
        Some(Word { commit: given.commit?, at: given.at?.parse().ok()?, user: given.user })
    };
    Ok(pulls.into_values().flatten().filter_map(word).collect())
}

/// The new commits that the branch itself went through, newest first: each may have come with a pull request of its
/// own. Of a long way only the end is asked for.
fn mainline(lineage: &Lineage) -> Vec<String> {
    let new: BTreeMap<String, &[u8]> =
        lineage.commits.iter().map(|(id, raw)| (id.to_string(), raw.as_slice())).collect();
    let mut at = lineage.commits.first().map(|(id, _)| id.to_string());
    let mut way = Vec::new();
    while let Some(id) = at.take().filter(|_| way.len() < PULLS) {
        let Some(raw) = new.get(&id) else { break };
        at = Commit::parse(&id, raw).ok().and_then(|commit| commit.parents.into_iter().next());
        way.push(id);
    }
    way
}

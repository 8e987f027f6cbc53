//! A stage of the gate: is the new head approved as the Platform asks?

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    api::{Platform, approvals::Approvals, verification::Verification},
    forge::{ForgeApproval, ForgeError},
    source::{self, CommitId, Settings, SourceError},
    trust::{
        Commit, Signers,
        approval::{By, Material, Rules, Verdict, Word, review},
    },
};

use super::{
    super::{context::Context, forge::access::Access},
    gate::blocking,
    hold::Hold,
    signed::Signed,
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
    /// The newest state of the notes with approvals.
    pub(super) notes: Option<CommitId>,
}

/// What the Platform asks for, if it asks for approvals.
pub(super) fn asked(platform: &Platform) -> Option<(&Verification, &Approvals)> {
    let verification = platform.spec.source.as_ref()?.git.verification.as_ref()?;
    Some((verification, verification.approvals.as_ref()?))
}

/// Judges a head whose commits are signed as asked; who approved what, or why it is held.
pub(super) async fn pass(
    ctx: &Context,
    platform: &Platform,
    settings: &Settings,
    signed: Signed,
    case: Case,
) -> Result<Result<Approvers, Hold>, SourceError> {
    let Some((verification, approvals)) = asked(platform) else { return Ok(Ok(Approvers::new())) };
    let Case { accepted, head, mut notes } = case;
    if let Some(tip) = notes
        && !blocking(settings, move |settings| source::holds(settings, &tip)).await?
    {
        notes = source::fetch_notes(settings).await?;
    }
    let (lineage, signers, list) = signed.into_parts();
    let (rules, max_age) = (Rules::of(approvals), approvals.max_age.0);
    let bench = Arc::new(Bench { rules, signers, forge: verification.forge_signers.clone(), max_age });
    let (verdict, material) = blocking(settings, {
        let bench = Arc::clone(&bench);
        move |settings| {
            let material = source::material(settings, accepted, head, lineage, notes)?;
            Ok((bench.judge(&material), material))
        }
    })
    .await?;
    // A forge is somebody else's machine, slow or away, and its word is less than a signature: where the signed
    // approvals are enough, nobody asks it.
    if verdict.passes() {
        return Ok(Ok(verdict.approvers));
    }
    let words = match words(ctx, platform, approvals, &material).await {
        Ok(words) if !words.is_empty() => words,
        other => return Ok(Err(Hold::not_approved(head, &verdict, &list, other.err().as_ref()))),
    };
    let verdict = blocking(settings, move |settings| {
        Ok(bench.judge(&source::heard(settings, accepted, head, material, words)?))
    })
    .await?;
    Ok(if verdict.passes() {
        Ok(verdict.approvers)
    } else {
        Err(Hold::not_approved(head, &verdict, &list, None))
    })
}

/// What a change is judged by, whatever is known of it.
struct Bench {
    rules: Rules,
    signers: Signers,
    forge: Vec<String>,
    max_age: Duration,
}

impl Bench {
    fn judge(&self, material: &Material) -> Verdict {
        let Self { rules, signers, forge, max_age } = self;
        review(rules, &By { signers, forge, max_age: *max_age, now: Timestamp::now() }, material)
    }
}

/// What the forge says of approvals, where accounts on it count: of the pull requests that brought the new commits.
async fn words(
    ctx: &Context,
    platform: &Platform,
    approvals: &Approvals,
    material: &Material,
) -> Result<Vec<Word>, ForgeError> {
    let git = platform.spec.source.as_ref().map(|source| &source.git);
    let Some(git) = git.filter(|git| git.forge.is_some() && !approvals.forge_users.is_empty()) else {
        return Ok(Vec::new());
    };
    let branch = git.branch.as_deref().unwrap_or("main");
    let client = Access::default().client(ctx, git).await?;
    let mut pulls = BTreeMap::new();
    for commit in mainline(material) {
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
fn mainline(material: &Material) -> Vec<String> {
    let new: BTreeMap<&str, &[u8]> =
        material.commits.iter().map(|(id, raw)| (id.as_str(), raw.as_slice())).collect();
    let mut at = material.commits.first().map(|(id, _)| id.clone());
    let mut way = Vec::new();
    while let Some(id) = at.take().filter(|_| way.len() < PULLS) {
        let Some(raw) = new.get(id.as_str()) else { break };
        at = Commit::parse(&id, raw).ok().and_then(|commit| commit.parents.into_iter().next());
        way.push(id);
    }
    way
}

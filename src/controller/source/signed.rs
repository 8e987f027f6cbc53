//! A stage of the gate: are the new commits signed as the Platform asks?

use crate::{
    api::verification::{SignersRef, Verification, VerificationMode},
    observe::secrets,
    source::{self, CommitId, Lineage, Settings, SourceError},
    trust::{Mode, Rules, Signers, judge},
};

use super::{super::context::Context, gate::blocking, hold::Hold};

/// A lineage whose signatures were judged by this list, where the Platform asks for signatures. Only [`pass`] makes
/// one: whoever counts approvals has one, so no approval is counted of what isn't signed.
pub(super) struct Signed {
    lineage: Lineage,
    signers: Signers,
    list: String,
}

impl Signed {
    fn commits(&self) -> Vec<(String, &[u8])> {
        self.lineage.commits.iter().map(|(id, raw)| (id.to_string(), raw.as_slice())).collect()
    }

    /// The lineage, who may sign, and how their list is called.
    pub(super) fn into_parts(self) -> (Lineage, Signers, String) {
        (self.lineage, self.signers, self.list)
    }
}

/// Judges a head; why it is held.
pub(super) async fn pass(
    ctx: &Context,
    settings: &Settings,
    verification: &Verification,
    head: CommitId,
    lineage: Lineage,
) -> Result<Result<Signed, Hold>, SourceError> {
    let Some(from) = &verification.signers else {
        return Ok(Err(Hold::no_signers(head, "spec.source.git.verification.signers is missing")));
    };
    let (signers, list) = match signers(ctx, head, from).await {
        Ok(found) => found,
        Err(hold) => return Ok(Err(hold)),
    };
    let signed = Signed { lineage, signers, list };
    let mode = match verification.mode {
        VerificationMode::None => return Ok(Ok(signed)),
        VerificationMode::Head => Mode::Head,
        VerificationMode::EveryCommit => Mode::EveryCommit,
    };
    let forge = verification.forge_signers.clone();
    let (judged, signed) = blocking(settings, move |_| {
        let rules = Rules { mode, signers: &signed.signers, forge: &forge };
        Ok((judge(&head.to_string(), &signed.commits(), &rules), signed))
    })
    .await?;
    let vouched = match judged {
        Ok(vouched) => vouched,
        Err(refused) => return Ok(Err(Hold::unverified(head, &refused, &signed.list))),
    };
    // What a forge's key alone stands for has to follow from what people signed.
    let merges: Vec<CommitId> = vouched.merges().filter_map(|id| id.parse().ok()).collect();
    Ok(match source::first_changed(settings, merges).await? {
        None => Ok(signed),
        Some((merge, difference)) => {
            let refused = vouched.refuse(&merge.to_string(), difference);
            Err(Hold::unverified(head, &refused, &signed.list))
        }
    })
}

/// The list of signers, and how it is called.
async fn signers(ctx: &Context, head: CommitId, from: &SignersRef) -> Result<(Signers, String), Hold> {
    let list = format!("{} {}/{}", from.kind.as_str(), ctx.namespace, from.name);
    let lists = secrets::signers(&ctx.client, &ctx.namespace, from).await;
    let lists = lists.map_err(|error| Hold::no_signers(head, &error.to_string()))?;
    match Signers::read(lists.ssh.as_deref(), lists.openpgp.as_deref()) {
        Ok(signers) => Ok((signers, list)),
        Err(error) => Err(Hold::no_signers(head, &format!("{list}: {error}"))),
    }
}

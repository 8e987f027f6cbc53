//! Puts back what others changed, takes out what they added, and notes who did it.

use crate::{
    observe::{live::Live, world::Expected},
    runtime::call::CallError,
};

use super::{
    drift::{self, Change},
    manifest::Manifest,
    pass::{Pass, Problem, Request},
    writer::Writer,
};

/// Looks at an object that others write to at the same time, before the pass is tried again later.
const LOOKS: u32 = 3;

/// Heals one object.
pub(super) async fn run(
    writer: &Writer,
    request: &Request<'_>,
    manifest: &Manifest,
    live: &Live,
    pass: &mut Pass,
) -> Result<Live, Problem> {
    let Some(whole) = writer.read(&manifest.id).await? else {
        return Ok(writer.apply(manifest).await?);
    };
    let mut changes = drift::changes(&manifest.body, &whole);
    let mut now = live.clone();
    // Ours first: a field that somebody took over comes back by being applied, never by being removed.
    if !expected(request, manifest, live).owns(live) {
        now = writer.apply(manifest).await?;
    }
    changes.extend(take_out(writer, request, manifest, &mut now).await?);
    if !changes.is_empty() {
        pass.healed.push((manifest.id.clone(), changes));
    }
    Ok(now)
}

/// The object as we left it, with the digest that the inventory records.
fn expected(request: &Request<'_>, manifest: &Manifest, live: &Live) -> Expected {
    let entry = request.entry(&manifest.id);
    Expected {
        uid: live.uid.clone(),
        hash: manifest.hash.as_str().into(),
        digest: entry.map(|entry| entry.digest.as_str()).unwrap_or_default().into(),
    }
}

/// Removes what others added, and nothing that we haven't seen.
async fn take_out(
    writer: &Writer,
    request: &Request<'_>,
    manifest: &Manifest,
    now: &mut Live,
) -> Result<Vec<Change>, Problem> {
    for left in (0..LOOKS).rev() {
        if now.unwelcome(request.injectors).next().is_none() {
            break;
        }
        let Some(whole) = writer.read(&manifest.id).await? else { break };
        let meta = serde_json::from_value(whole["metadata"].clone()).unwrap_or_default();
        let seen = Live::read(manifest.id.kind, &meta);
        let Some((patch, removed)) = drift::removal(seen.unwelcome(request.injectors), &whole) else { break };
        match writer.patch(&manifest.id, &patch).await {
            Ok(live) => {
                *now = live;
                return Ok(removed);
            }
            // Controllers write to the object as well: look again.
            Err(CallError::Conflict(_)) if left > 0 => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Vec::new())
}

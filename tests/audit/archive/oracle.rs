//! Whether those who made the format find our log right, too: Tessera's `fsck`, and its verifier of cosignatures.

use std::fs;
use std::path::Path;
use std::process::Command;

use tenantry::audit::log::note::PublicKey;
use tenantry_testbed::programs;

use super::bed::{Bed, PREFIX};
use super::spool::{Spool, ship_all, witness_key};
use super::tampering::flip;
use super::witness::of;
use crate::Outcome;

/// What it says of a stream's folder: size, root and the second of the cosignature; or why it refuses.
pub(crate) fn fsck(folder: &Path, log: &str, witness: &PublicKey) -> Outcome<Result<String, String>> {
    let mut command = Command::new(programs::fsck()?);
    let output = command.arg(folder).args([log, &witness.to_string()]).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok(if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) })
}

/// The byte in the middle of a line of the checkpoint, from the first that starts with `start`.
fn middle(folder: &Path, start: &str) -> Outcome<usize> {
    let checkpoint = fs::read_to_string(folder.join("checkpoint"))?;
    let line = checkpoint.find(start).ok_or_else(|| format!("no {start} in {checkpoint}"))?;
    let end = checkpoint[line..].find('\n').map_or(checkpoint.len(), |length| line + length);
    Ok(line.midpoint(end))
}

#[tokio::test]
async fn another_implementation_takes_the_log_and_refuses_a_changed_one() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let (mut spool, sink, state) = (Spool::new()?, bed.sink(), tempfile::tempdir()?);
    // Three levels of tiles, of which each has one that is not full.
    for count in [3, 66_000, 300] {
        spool.seal(count)?;
        ship_all(&spool, &sink).await?;
    }
    assert!(of(&bed.witness(state.path()).await?, &spool).cosigned);
    let (folder, witness) = (bed.files(PREFIX, &spool.stream()), witness_key().public().clone());
    let ours = bed.verified(&spool, Some(witness.clone())).await?;
    assert!(ours.proven == 66_303 && ours.faults.is_empty(), "{:?}", ours.faults);
    let key = ours.key.as_str();
    let cosigned = ours.witness.ok_or("a witness")?.time.parse::<jiff::Timestamp>()?.as_second();
    assert_eq!(fsck(&folder, key, &witness)?, Ok(format!("66303 {} {cosigned}", ours.root)));

    let [log, cosignature] =
        [spool.stream().origin(), witness.name().to_owned()].map(|name| format!("\u{2014} {name} "));
    for (path, at) in [
        ("tile/0/000", 77),
        ("tile/0/258.p/255", 100),
        ("tile/1/000", 8191),
        ("tile/1/001.p/2", 3),
        ("tile/2/000.p/1", 31),
        ("tile/entries/000", 99),
        ("tile/entries/258.p/255", 10_000),
        ("checkpoint", middle(&folder, "66303\n")?),
        ("checkpoint", middle(&folder, "66303\n")? + "66303\n".len() + 20),
        ("checkpoint", middle(&folder, &log)?),
        ("checkpoint", middle(&folder, &cosignature)?),
    ] {
        flip(&folder, path, at)?;
        let said = fsck(&folder, key, &witness)?;
        assert!(said.is_err(), "byte {at} of {path} is another, and nobody saw it: {said:?}");
        flip(&folder, path, at)?;
    }
    assert!(fsck(&folder, key, &witness)?.is_ok());
    Ok(())
}

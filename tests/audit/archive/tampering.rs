//! A8, as far as the witness sees it: what was changed in the archive is named, and nothing of it is cosigned.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use tenantry::audit::layout;
use tenantry::audit::log::checkpoint::Checkpoint;
use tenantry::audit::log::note::{Kind, Note, PrivateKey};

use super::bed::{Bed, PREFIX};
use super::spool::{Spool, log_key, ship_all};
use super::witness::{of, refused};
use crate::Outcome;

type Harm = fn(&Path) -> std::io::Result<()>;

/// Flips a bit of a file.
pub(super) fn flip(folder: &Path, path: &str, at: usize) -> std::io::Result<()> {
    let path = folder.join(path);
    let mut bytes = fs::read(&path)?;
    bytes[at] ^= 1;
    fs::write(&path, &bytes)
}

/// The same text under the agent's name, by somebody who hasn't its key.
fn sign_again(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(layout::checkpoint(20));
    let note = Note::parse(&fs::read(&path)?).map_err(std::io::Error::other)?;
    let origin = note.text().lines().next().unwrap_or_default();
    let key = PrivateKey::of_seed(origin, Kind::Log, [1; 32]).map_err(std::io::Error::other)?;
    fs::write(&path, key.sign(Note::new(note.text().to_owned()), Timestamp::now()).bytes())
}

/// What is done to the second of two segments and what came with it, and the path that is named.
fn harms() -> [(&'static str, Harm, String); 9] {
    let segment = layout::segment(10, 19);
    [
        (
            "a segment is removed",
            |folder| fs::remove_file(folder.join(layout::segment(10, 19))),
            layout::checkpoint(20),
        ),
        (
            "a segment is cut off",
            |folder| {
                let path = folder.join(layout::segment(10, 19));
                let bytes = fs::read(&path)?;
                fs::write(&path, &bytes[..bytes.len() - 5])
            },
            segment.clone(),
        ),
        (
            "a segment is swapped",
            |folder| {
                fs::copy(folder.join(layout::segment(0, 9)), folder.join(layout::segment(10, 19))).map(drop)
            },
            "tile/entries/000.p/20".to_owned(),
        ),
        (
            "a tile is removed",
            |folder| fs::remove_file(folder.join("tile/0/000.p/20")),
            "tile/0/000.p/20".to_owned(),
        ),
        (
            "a bit of a tile is flipped",
            |folder| flip(folder, "tile/0/000.p/20", 77),
            "checkpoints/".to_owned(),
        ),
        (
            "an entry is changed",
            |folder| flip(folder, "tile/entries/000.p/20", 99),
            "tile/entries/000.p/20".to_owned(),
        ),
        (
            "a checkpoint is swapped",
            |folder| {
                fs::copy(folder.join(layout::checkpoint(10)), folder.join(layout::checkpoint(20))).map(drop)
            },
            layout::checkpoint(20),
        ),
        ("a checkpoint is a stranger's", sign_again, layout::checkpoint(20)),
        (
            "the one it proved is removed",
            |folder| fs::remove_file(folder.join(layout::checkpoint(10))),
            layout::checkpoint(10),
        ),
    ]
}

#[tokio::test]
async fn what_was_changed_is_named_and_not_cosigned() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let sink = bed.sink();
    for (what, harm, path) in harms() {
        let (mut spool, state) = (Spool::new()?, tempfile::tempdir()?);
        let files = bed.files(PREFIX, &spool.stream());
        spool.seal(10)?;
        ship_all(&spool, &sink).await?;
        assert!(of(&bed.witness(state.path()).await?, &spool).cosigned, "{what}");
        spool.seal(10)?;
        ship_all(&spool, &sink).await?;
        harm(&files)?;
        let round = bed.witness(state.path()).await?;
        let said = refused(of(&round, &spool));
        assert!(said.contains(&path), "{what}: {said}");
        // A second look finds the same: nothing was remembered of what isn't proved.
        let again = bed.witness(state.path()).await?;
        assert_eq!(refused(of(&again, &spool)), said, "{what}");
        fs::remove_dir_all(&files)?;
    }
    Ok(())
}

/// The agent's key signed two trees of one size: that is said although the newest checkpoint is right.
#[tokio::test]
async fn another_tree_that_was_signed_on_the_way_is_refused() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let (mut spool, state) = (Spool::new()?, tempfile::tempdir()?);
    spool.seal(10)?;
    spool.seal(10)?;
    ship_all(&spool, &bed.sink()).await?;
    let origin = spool.stream().origin();
    let other = Checkpoint { origin: origin.clone(), size: 10, root: [7; 32] };
    let signed = log_key("cp-1").named(&origin)?.sign(other.note(), Timestamp::now());
    let path = layout::checkpoint(10);
    fs::write(bed.files(PREFIX, &spool.stream()).join(&path), signed.bytes())?;
    let round = bed.witness(state.path()).await?;
    let said = refused(of(&round, &spool));
    assert!(said.contains(&path) && said.contains("its root isn't"), "{said}");
    Ok(())
}

/// Without its memory it still knows its own signature: an archive that was set back is none that it cosigned.
#[tokio::test]
async fn an_archive_that_was_cut_off_is_refused_by_a_witness_that_forgot() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let mut spool = Spool::new()?;
    let files = bed.files(PREFIX, &spool.stream());
    for _ in 0..2 {
        spool.seal(10)?;
        ship_all(&spool, &bed.sink()).await?;
    }
    assert!(of(&bed.witness(tempfile::tempdir()?.path()).await?, &spool).cosigned);
    for path in [layout::segment(10, 19), layout::checkpoint(20)] {
        fs::remove_file(files.join(path))?;
    }
    let round = bed.witness(tempfile::tempdir()?.path()).await?;
    let said = refused(of(&round, &spool));
    assert!(said.contains("cosigned 20 records, and the archive has 10"), "{said}");
    Ok(())
}

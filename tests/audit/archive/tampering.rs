//! A8, as far as the witness sees it: what was changed in the archive is named, and nothing of it is cosigned.

use std::fs;
use std::path::Path;

use tenantry::audit::layout;

use super::bed::{Bed, PREFIX};
use super::spool::{Spool, ship_all};
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

/// What is done to the second of two segments and what came with it, and the path that is named.
fn harms() -> [(&'static str, Harm, String); 8] {
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

//! The witness: it confirms what goes on, and refuses what was rewritten.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tenantry::audit::layout;
use tenantry::audit::witness::refused::REFUSAL;
use tenantry::audit::witness::round::{Round, Seen};

use super::bed::{Agent, Bed, PREFIX};
use super::spool::{CLUSTER, Spool, log_key, ship_all, witness_key};
use crate::Outcome;

pub(super) fn of<'a>(round: &'a Round, spool: &Spool) -> &'a Seen {
    let name = spool.stream().to_string();
    round.streams.iter().find(|one| one.stream == name).expect("the stream is found")
}

pub(super) fn refused(seen: &Seen) -> &str {
    match &seen.trouble {
        Some(("WitnessRefused", message)) => message,
        other => panic!("it should have been refused: {other:?}"),
    }
}

/// A10: it was away while much was shipped, and catches up in one round.
#[tokio::test]
async fn what_it_cosigned_verifies_and_it_catches_up() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let (mut spool, sink, state) = (Spool::new()?, bed.sink(), tempfile::tempdir()?);
    assert_eq!(bed.witness(state.path()).await?.streams, []);
    spool.seal(3)?;
    ship_all(&spool, &sink).await?;
    let seen = bed.witness(state.path()).await?.streams.remove(0);
    assert_eq!((seen.size, seen.segments, seen.cosigned, &seen.trouble), (Some(3), 1, true, &None));
    let again = bed.witness(state.path()).await?.streams.remove(0);
    assert_eq!((again.size, again.segments, again.cosigned), (Some(3), 0, false));
    for count in 0..20 {
        spool.seal(1 + count * 31 % 130)?;
    }
    ship_all(&spool, &sink).await?;
    let seen = bed.witness(state.path()).await?.streams.remove(0);
    assert_eq!((seen.size, seen.segments, seen.cosigned), (Some(spool.next()), 20, true), "{seen:?}");
    let report = bed.verified(&spool, Some(witness_key().public().clone())).await?;
    assert!(report.faults.is_empty(), "{report:?}");
    assert_eq!(report.witness.map(|one| one.size), Some(spool.next()));
    Ok(())
}

/// A9: somebody has the agent's key, and the bucket too, and writes another history. It is refused, also by a witness
/// that lost its memory; the other agent's log goes on.
#[tokio::test]
async fn a_history_that_was_rewritten_is_never_cosigned() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let (sink, state) = (bed.sink(), tempfile::tempdir()?);
    let (mut honest, mut other) = (Spool::new()?, Spool::of("cp-2", "")?);
    for spool in [&mut honest, &mut other] {
        spool.seal(4)?;
        spool.seal(6)?;
        ship_all(spool, &sink).await?;
    }
    let first = bed.witness(state.path()).await?;
    assert!(first.streams.len() == 2 && first.streams.iter().all(|one| one.cosigned), "{first:?}");
    let before = bed.download(PREFIX, &honest.stream()).await?.0;
    let (confirmed, proved) = (&before[layout::CHECKPOINT], &before[&layout::checkpoint(10)]);

    let files = bed.files(PREFIX, &honest.stream());
    for part in ["segments", "tile", "checkpoints"] {
        fs::remove_dir_all(files.join(part))?;
    }
    let mut rewritten = Spool::of("cp-1", "rewritten")?;
    rewritten.seal(10)?;
    rewritten.seal(10)?;
    ship_all(&rewritten, &sink).await?;
    other.seal(10)?;
    ship_all(&other, &sink).await?;

    let second = bed.witness(state.path()).await?;
    assert!(refused(of(&second, &honest)).contains("history was rewritten"), "{second:?}");
    assert_eq!((of(&second, &other).size, of(&second, &other).cosigned), (Some(20), true));
    // The honest agent learns of it by the door that it hears the witness through; the other one hears nothing.
    let listens = |spool: &Spool| -> Outcome<Agent> {
        Ok(Agent::start(spool.shipper()?, bed.sink(), Some(witness_key().public().clone())))
    };
    let told = listens(&honest)?
        .until("the refusal to be heard", |state| matches!(state.witness, Some(("WitnessRefused", _))))
        .await?;
    assert!(told.witness.is_some_and(|(_, said)| said.contains("history was rewritten")));
    assert_eq!(honest.kept()?, [0, 4], "what was confirmed before may be needed now");
    let heard = listens(&other)?.until("the witness to be heard", |state| state.verified.is_some()).await?;
    assert_eq!(heard.witness, None);
    let said = || fs::metadata(files.join(REFUSAL)).and_then(|file| file.modified());
    let before_again = said()?;
    assert!(bed.witness(state.path()).await?.is_refused());
    assert_eq!(said()?, before_again, "it is said once");
    let forgetful = bed.witness(tempfile::tempdir()?.path()).await?;
    assert!(refused(of(&forgetful, &honest)).contains("history was rewritten"), "{forgetful:?}");
    // Where the checkpoint that it proved was left, one proof shows that the new one doesn't go on from it.
    fs::write(files.join(layout::checkpoint(10)), proved)?;
    let third = bed.witness(state.path()).await?;
    assert!(refused(of(&third, &honest)).contains("doesn't go on from the 10 records"), "{third:?}");
    let now = bed.download(PREFIX, &honest.stream()).await?.0[layout::CHECKPOINT].clone();
    assert_eq!(&now, confirmed, "nothing was cosigned since");
    Ok(())
}

/// Runs the program in a folder: how it ended, and what it said.
fn program(folder: &Path, arguments: &[&str]) -> Outcome<(Option<i32>, String, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    let output = command.args(arguments).current_dir(folder).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
}

fn make_key(folder: &Path) -> Outcome<(Option<i32>, String, String)> {
    program(folder, &["audit", "keygen", "--witness", "--name", "archive.example.org", "--out", "w"])
}

#[test]
fn keys_are_made_once_and_only_their_owner_reads_them() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (code, public, said) = make_key(folder.path())?;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fs::read_to_string(folder.path().join("w/witness.pub"))?.trim(), public);
    let path = folder.path().join("w/witness.key");
    let private = fs::read_to_string(&path)?;
    assert!(private.starts_with("PRIVATE+KEY+archive.example.org+") && !public.contains(&private[40..70]));
    assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    let (code, _, said) = make_key(folder.path())?;
    assert!(code == Some(2) && said.contains("witness.key can't be written"), "{said}");
    assert_eq!(fs::read_to_string(&path)?, private);
    let agent = |name: &str| program(folder.path(), &["audit", "keygen", "--name", name, "--out", "a"]);
    let (code, public, _) = agent("eu/cp-9")?;
    assert!(code == Some(0) && public.starts_with("tenantry.dev/audit/eu/cp-9+"), "{public}");
    assert_eq!(agent("eu")?.0, Some(2));
    Ok(())
}

/// The program looks once, and says by how it ends what it found.
#[tokio::test]
async fn the_program_ends_with_what_it_found() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    make_key(folder.path())?;
    let private = fs::read_to_string(folder.path().join("w/witness.key"))?;
    let mut spool = Spool::new()?;
    spool.seal(4)?;
    ship_all(&spool, &bed.sink()).await?;
    let keys = bed.server.root();
    fs::create_dir(folder.path().join("keys"))?;
    fs::write(folder.path().join("keys/aws-access-key-id"), &keys.id)?;
    fs::write(folder.path().join("keys/aws-secret-access-key"), &keys.secret)?;
    fs::write(folder.path().join("agents.pub"), format!("{}\n", log_key("cp-1").public()))?;
    let place = ["--archive", "s3://logs/audit", "--path-style", "--credentials", "keys", "--state", "state"];
    let (url, owner) = (bed.server.url(), bed.owner());
    let rest = [
        "--endpoint",
        &url,
        "--owner",
        &owner,
        "--key",
        "w/witness.key",
        "--log-key",
        "agents.pub",
        "--once",
    ];
    let look = || program(folder.path(), &[&["witness"][..], &place[..], &rest[..]].concat());
    let (code, told, said) = look()?;
    let line = format!("{}: 4 records are proved", spool.stream());
    assert_eq!((code, told.as_str()), (Some(0), line.as_str()), "{said}");
    let files = bed.files(PREFIX, &spool.stream());
    fs::write(files.join(layout::checkpoint(4)), "no checkpoint\n")?;
    let (code, told, said) = look()?;
    assert!(code == Some(1) && told.contains("WitnessRefused"), "{told} {said}");
    assert!(!format!("{told}{said}").contains(&keys.secret) && !said.contains(&private[40..70]));
    let report = fs::read_to_string(folder.path().join("state/report.json"))?;
    assert!(report.contains("WitnessRefused") && report.contains(CLUSTER), "{report}");
    Ok(())
}

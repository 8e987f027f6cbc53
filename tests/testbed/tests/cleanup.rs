//! Nothing is left behind, however the owner ends.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tenantry_testbed::{GitServer, Process, Run, eventually, run_owner};

const OWNER: &str = "TENANTRY_TEST_OWNER";

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn alive(pid: u32) -> bool {
    let killed = Command::new("kill").args(["-0", &pid.to_string()]).stderr(Stdio::null()).status();
    let zombie = std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    killed.is_ok_and(|status| status.success()) && !zombie
}

fn kill(pid: u32) -> Outcome {
    Command::new("kill").args(["-KILL", &pid.to_string()]).status()?;
    Ok(())
}

/// Not a test of its own: what the tests below run as another process and kill.
#[tokio::test]
async fn owner() -> Outcome {
    if std::env::var_os(OWNER).is_none() {
        return Ok(());
    }
    let run = Run::start()?;
    let _git = GitServer::start_in(&run, None).await?;
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 600 & echo $!; wait"]);
    let parent = Process::start(&run, "parent", command)?;
    let grandchild = eventually(Duration::from_secs(5), "the grandchild", || async {
        parent.logs().trim().parse::<u32>().map_err(|error| error.to_string())
    })
    .await?;
    let reaper = run.reaper_id().unwrap_or_default();
    println!("\nOWNER {} {} {} {}", run.dir().display(), parent.id(), grandchild, reaper);
    std::thread::sleep(Duration::from_secs(600));
    Ok(())
}

struct Owner {
    child: Child,
    folder: PathBuf,
    parent: u32,
    grandchild: u32,
    reaper: u32,
}

fn start_owner() -> Outcome<Owner> {
    let (child, words) = run_owner("owner", OWNER)?;
    let [folder, parent, grandchild, reaper] = words.as_slice() else {
        return Err(format!("the owner said {words:?}").into());
    };
    let (parent, grandchild, reaper) = (parent.parse()?, grandchild.parse()?, reaper.parse()?);
    Ok(Owner { child, folder: PathBuf::from(folder), parent, grandchild, reaper })
}

#[tokio::test]
async fn a_killed_owner_takes_everything_along() -> Outcome {
    let mut owner = start_owner()?;
    assert!(owner.folder.is_dir() && alive(owner.parent) && alive(owner.grandchild));
    owner.child.kill()?;
    owner.child.wait()?;
    eventually(Duration::from_secs(5), "the reaper to clean up", || async {
        let left = (owner.folder.exists(), alive(owner.parent), alive(owner.grandchild), alive(owner.reaper));
        if left == (false, false, false, false) { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn the_next_start_cleans_up_where_even_the_reaper_was_killed() -> Outcome {
    let mut owner = start_owner()?;
    kill(owner.reaper)?;
    owner.child.kill()?;
    owner.child.wait()?;
    assert!(owner.folder.is_dir() && alive(owner.parent) && alive(owner.grandchild));
    let run = Run::start()?;
    eventually(Duration::from_secs(5), "the processes to be gone", || async {
        let left = (owner.folder.exists(), alive(owner.parent), alive(owner.grandchild));
        if left == (false, false, false) { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await?;
    assert!(run.dir().is_dir(), "our own run is left alone");
    Ok(())
}

#[tokio::test]
async fn a_dropped_run_takes_everything_along() -> Outcome {
    let run = Run::start()?;
    let (folder, reaper) = (run.dir().to_path_buf(), run.reaper_id().unwrap_or_default());
    let mut command = Command::new("sleep");
    command.arg("600");
    let process = Process::start(&run, "sleeper", command)?;
    let ports = [run.port()?, run.port()?];
    assert_ne!(ports[0], ports[1]);
    let pid = process.id();
    drop(run);
    assert!(alive(pid) && folder.is_dir(), "a process keeps its run");
    drop(process);
    assert!(!alive(pid) && !alive(reaper) && !folder.exists());
    Ok(())
}

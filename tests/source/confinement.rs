//! What the fetch process can't do.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tenantry::source::{Sandbox, SourceError, probe, sandbox};

use crate::World;
use crate::repo::put;

/// Asks the kernel itself, so that a sandbox that we forgot to close is not taken for a kernel
/// that has none.
#[cfg(target_os = "linux")]
fn kernel_has_landlock() -> bool {
    use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    ruleset.handle_access(AccessFs::from_all(ABI::V1)).and_then(Ruleset::create).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn kernel_has_landlock() -> bool {
    false
}

#[tokio::test]
async fn the_fetch_process_sees_its_own_folder_only() -> Result<(), SourceError> {
    let world = World::new();
    world.repo.commit("main", "one", &[put("a.yaml", "a: 1")]);
    world.fetch().await?;
    let token = world.folder.path().join("token");
    std::fs::write(&token, "canary").expect("disk");
    let sees = async |path: std::path::PathBuf| probe(&world.settings, path).await;
    assert!(sees(world.settings.repository.join("git/HEAD")).await?, "its own folder is open to it");
    if !kernel_has_landlock() {
        assert_eq!(sandbox(), Sandbox::None, "without Landlock nothing else may be claimed");
        eprintln!(
            "not checked: this kernel has no Landlock, so the fetch process can read what we can; \
             run on Linux 5.13 or newer with landlock in CONFIG_LSM to check the sandbox"
        );
        return Ok(());
    }
    assert!(matches!(sandbox(), Sandbox::Landlock(_)), "{:?}", sandbox());
    for path in [
        token,
        "/etc/passwd".into(),
        "/proc/self/environ".into(),
        world.settings.repository.join("../../token"),
    ] {
        assert!(
            path.exists() && !sees(path.clone()).await?,
            "{} is open to the fetch process",
            path.display()
        );
    }
    Ok(())
}

/// The operator is killed without a chance to end its children.
#[test]
#[cfg(target_os = "linux")]
fn the_fetch_process_dies_with_its_parent() {
    // A shell gives background commands an empty stdin, so ours goes by another number.
    let script = format!("exec 3<&0; {} git-child <&3 3<&- & echo $!; wait", env!("CARGO_BIN_EXE_tenantry"));
    let mut parent = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh is there");
    let mut stdin = parent.stdin.take().expect("piped");
    let mut line = String::new();
    BufReader::new(parent.stdout.take().expect("piped")).read_line(&mut line).expect("a process id");
    let child = std::path::Path::new("/proc").join(line.trim());
    let name = || std::fs::read_to_string(child.join("comm")).unwrap_or_default();
    let wait = |what: &str, done: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < Duration::from_secs(5), "{what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    wait("the child has not started", &|| name().starts_with("tenantry"));
    // More than a pipe holds: when this returns, the child is reading its request. The pipe stays
    // open, so it goes on waiting for the rest.
    stdin.write_all(&[b' '; 128 * 1024]).expect("read by the child");
    parent.kill().expect("killed");
    parent.wait().expect("ended");
    // Gone, or a zombie that nobody has collected yet.
    let state = || std::fs::read_to_string(child.join("stat")).unwrap_or_default();
    wait("the child lives on", &|| state().is_empty() || state().contains(") Z "));
}

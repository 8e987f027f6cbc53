//! The operator's image, packed without an engine: small, nobody's root, and with everything that it needs.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tenantry_testbed::{image_config, operator_image};

use crate::{support::Outcome, top};

fn unpack(tar: &Path, to: &Path) -> Outcome {
    fs::create_dir_all(to)?;
    let done = Command::new("tar").arg("-xf").arg(tar).arg("-C").arg(to).status()?;
    assert!(done.success(), "tar reads {}", tar.display());
    Ok(())
}

/// Runs a program with `root` as the root of its files.
#[cfg(target_os = "linux")]
fn run_in(root: &Path, args: &[&str]) -> Outcome<(bool, String)> {
    let mut command = Command::new("unshare");
    // Whoever we are: root in a user namespace of its own may change the root.
    command.args(["--user", "--map-root-user", "chroot"]).arg(root).args(args).env_clear();
    let output = command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output()?;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ok((output.status.success(), text))
}

#[test]
fn the_containerfile_says_who_it_runs_as() -> Outcome {
    let config = image_config(&top("charts/Containerfile"), "example.test/tenantry:test")?;
    assert_eq!(config.user, "65532:65532");
    assert_eq!(config.entrypoint, ["/usr/bin/tenantry"]);
    assert_eq!(config.env, ["PATH=/usr/bin"]);
    Ok(())
}

/// It holds the program, its libraries and certificates, and runs with nothing of this machine around it.
#[cfg(target_os = "linux")]
#[test]
fn the_packed_image_runs_by_itself() -> Outcome {
    let home = tempfile::tempdir()?;
    let out = home.path().join("image.tar");
    let program = Path::new(env!("CARGO_BIN_EXE_tenantry"));
    let digest = operator_image("example.test/tenantry:test", program, &out)?;
    let layout = home.path().join("layout");
    unpack(&out, &layout)?;
    let blob = |digest: &str| layout.join("blobs").join(digest.replace(':', "/"));
    let manifest: Value = serde_json::from_slice(&fs::read(blob(&digest))?)?;
    let root = home.path().join("root");
    unpack(&blob(manifest["layers"][0]["digest"].as_str().ok_or("a layer")?), &root)?;
    for gone in ["bin/sh", "usr/bin/sh", "etc/passwd"] {
        assert!(!root.join(gone).exists(), "{gone}");
    }
    assert!(fs::metadata(root.join("etc/ssl/certs/ca-certificates.crt"))?.len() > 10_000);
    let (good, said) = run_in(&root, &["/usr/bin/tenantry", "--version"])?;
    assert!(good && said.starts_with("tenantry "), "{said}");
    // It speaks TLS and reads its own schemas: no library is loaded late.
    let (good, said) = run_in(&root, &["/usr/bin/tenantry", "crds"])?;
    assert!(good && said.contains("tenants.tenantry.dev"), "{said}");
    Ok(())
}

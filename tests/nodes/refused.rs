//! Where real nodes can't be had, one line says why; nothing is skipped where everything must run.

use std::{
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use crate::support::Outcome;

/// Runs a test of this binary as a user without rights.
fn as_nobody(ci: &str) -> Outcome<Output> {
    // Others may not look into the folder that the binary is in.
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let program = folder.path().join("nodes");
    std::fs::copy(std::env::current_exe()?, &program)?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
    command.args(["--exact", "running::a_tenant_runs_in_every_zone_and_answers_by_name", "--nocapture"]);
    command.env("CI", ci).env_remove("TENANTRY_TEST_CONTEXT").current_dir("/");
    Ok(command.output()?)
}

#[test]
fn without_root_one_line_says_so_and_ci_fails() -> Outcome {
    if std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) != 0) {
        eprintln!("skipped: only root can become somebody else; the other tests say the line themselves");
        return Ok(());
    }
    let line = "real nodes need root (namespaces, cgroups, containers): run this as root";
    let skipped = as_nobody("")?;
    let said = String::from_utf8_lossy(&skipped.stderr).into_owned();
    assert!(skipped.status.success() && said.contains(&format!("skipped: {line}\n")), "{said}");
    let refused = as_nobody("true")?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains(line), "{said}");
    Ok(())
}

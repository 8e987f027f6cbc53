//! What the fetch process takes away from itself before it talks to a server.
//!
//! libgit2 parses what a server sends, and has had memory bugs. Whoever takes
//! this process over finds no file but the repository's own, no other port,
//! no way to gain privileges, a bounded heap and no core dump with the token in it.

use std::path::Path;

use super::super::settings::Limits;

/// Memory beyond what the program maps at its start and the packs it maps.
#[cfg(unix)]
const HEAP: u64 = 768 * 1024 * 1024;

/// Restricts this process for good: to one folder (or none) and connections to these ports.
/// Returns the Landlock version in force, 0 for none.
pub(super) fn restrict(folder: Option<&Path>, ports: &[u16], limits: &Limits) -> Result<u8, String> {
    #[cfg(unix)]
    bound(limits);
    #[cfg(not(unix))]
    let _ = limits;
    landlock(folder, ports)
}

/// Resource limits. Best effort: what fails here is a second line of defence.
#[cfg(unix)]
fn bound(limits: &Limits) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let hard = |bytes: u64| Rlimit { current: Some(bytes), maximum: Some(bytes) };
    let _ = setrlimit(Resource::Core, hard(0));
    // A little more than the wire may bring: an index comes on top of a pack.
    let _ =
        setrlimit(Resource::Fsize, hard(limits.repository_bytes.saturating_add(limits.repository_bytes / 4)));
    if let Some(mapped) = mapped_bytes() {
        let packs = limits.repository_bytes.saturating_mul(3);
        let _ = setrlimit(Resource::As, hard(mapped.saturating_add(packs).saturating_add(HEAP)));
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Bytes that this process maps now.
#[cfg(unix)]
fn mapped_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(target_os = "linux")]
fn landlock(folder: Option<&Path>, ports: &[u16]) -> Result<u8, String> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, NetPort, PathBeneath,
        PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
    };
    let error = |error: landlock::RulesetError| format!("landlock: {error}");
    let build = || -> Result<_, String> {
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V7))
            .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(ABI::V7)))
            .and_then(|ruleset| ruleset.scope(Scope::from_all(ABI::V7)))
            .and_then(landlock::Ruleset::create)
            .map_err(error)?;
        if let Some(folder) = folder {
            let folder = PathFd::new(folder).map_err(|error| format!("landlock: {error}"))?;
            // Files and folders, but no devices, sockets or execution.
            let access = AccessFs::from_read(ABI::V7) | AccessFs::from_write(ABI::V7);
            let access =
                access & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock);
            ruleset = ruleset.add_rule(PathBeneath::new(folder, access)).map_err(error)?;
        }
        for port in ports {
            ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp)).map_err(error)?;
        }
        ruleset.restrict_self().map_err(error)
    };
    let status = build()?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => Ok(0),
        (_, LandlockStatus::Available { effective_abi, .. }) => Ok(effective_abi as u8),
        _ => Ok(0),
    }
}

#[cfg(not(target_os = "linux"))]
fn landlock(_folder: Option<&Path>, _ports: &[u16]) -> Result<u8, String> {
    Ok(0)
}

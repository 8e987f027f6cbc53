//! A node's container runtime.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::images::PAUSE;
use super::space::Space;
use crate::error::{Error, Result, io};
use crate::process::Process;
use crate::registry::Run;

const DEADLINE: Duration = Duration::from_secs(60);

/// Writes its configuration: `pods` is the range of the node's pods, `plugins` the folder of network
/// plugins.
pub(crate) fn configure(folder: &Path, name: &str, pods: &str, plugins: &Path) -> Result<()> {
    let write = |path: &Path, text: &str| std::fs::write(path, text).map_err(io("write", path));
    let cni = folder.join("cni");
    std::fs::create_dir_all(&cni).map_err(io("create", &cni))?;
    // ptp routes each pod on its own. With a bridge, answers of a pod to its neighbour that came by way
    // of a Service would pass the translation of addresses by, unless the kernel filters bridges.
    let network = serde_json::json!({
        "cniVersion": "0.4.0", "name": name,
        "plugins": [{"type": "ptp", "ipMasq": false, "ipam": {
            "type": "host-local", "ranges": [[{"subnet": pods}]], "routes": [{"dst": "0.0.0.0/0"}],
        }}],
    });
    write(&cni.join("10-ptp.conflist"), &format!("{network:#}\n"))?;
    let (root, cni, plugins) = (folder.join("containerd"), cni.display(), plugins.display());
    // Machines without CAP_SYS_RESOURCE refuse a lower oom_score_adj, and runc fails with "can't get
    // final child's PID from pipe: EOF". A profile of AppArmor would stay in the kernel.
    let config = format!(
        "version = 2\nroot = {root:?}\nstate = \"/run/containerd\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\"]\n\
         sandbox_image = \"{PAUSE}\"\nrestrict_oom_score_adj = true\ndisable_apparmor = true\n\
         netns_mounts_under_state_dir = true\n\
         [plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"{plugins}\"\nconf_dir = \"{cni}\"\n"
    );
    write(&folder.join("containerd.toml"), &config)
}

/// Starts it, and waits until it answers.
pub(crate) fn start(run: &Arc<Run>, node: &Space, name: &str, folder: &Path) -> Result<Process> {
    let config = folder.join("containerd.toml").display().to_string();
    let process = node.process(run, &format!("containerd-{name}"), &["containerd", "--config", &config])?;
    let start = Instant::now();
    loop {
        process.check()?;
        match node.call(&["ctr", "--connect-timeout=1s", "version"], "") {
            Ok(_) => return Ok(process),
            Err(error) if start.elapsed() > DEADLINE => {
                return Err(Error::Timeout {
                    what: format!("containerd of {name}"),
                    seconds: DEADLINE.as_secs(),
                    last: error.to_string(),
                });
            }
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

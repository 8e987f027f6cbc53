//! Nothing of real nodes is left behind, however their owner ends.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use serde_json::json;
use tenantry_testbed::{Cluster, Options, RealNodes, Run, WEB_IMAGE, eventually, run_owner, skip_real_nodes};

use crate::{
    site::{SOON, is_ready, turn},
    support::{Call, Outcome, at},
};

const OWNER: &str = "TENANTRY_TEST_NODE_OWNER";

/// Not a test of its own: what the test below runs as another process and kills.
#[tokio::test]
async fn owner() -> Outcome {
    if std::env::var_os(OWNER).is_none() {
        return Ok(());
    }
    let mut options = Options::real_nodes(RealNodes::default());
    options.zones.truncate(1);
    let cluster = Cluster::start(options).await?;
    let call = Call { client: cluster.client() };
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "left"},
        "spec": {"containers": [{"name": "app", "image": WEB_IMAGE}]},
    });
    call.create(&at("pods", "default", ""), &pod).await?;
    call.object(&at("pods", "default", "left"), "it runs", is_ready).await?;
    let run = cluster.run();
    println!("\nOWNER {} {}", run.dir().display(), run.reaper_id().unwrap_or_default());
    std::future::pending().await
}

struct Owner {
    child: Child,
    folder: PathBuf,
    reaper: String,
}

fn start_owner() -> Outcome<Owner> {
    let (child, words) = run_owner("leftovers::owner", OWNER)?;
    let [folder, reaper] = words.as_slice() else { return Err(format!("the owner said {words:?}").into()) };
    Ok(Owner { child, folder: PathBuf::from(folder), reaper: reaper.clone() })
}

/// What a run has outside its folder.
struct Traces {
    name: String,
    folder: String,
    namespaces: BTreeSet<PathBuf>,
}

/// Namespaces of a process that it doesn't share with us.
fn namespaces(process: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let process = process.to_path_buf();
    let of = |process: &Path, kind: &str| fs::read_link(process.join("ns").join(kind)).ok();
    let kinds = ["net", "mnt", "pid"].into_iter();
    kinds.filter_map(move |kind| {
        of(&process, kind).filter(|it| of(Path::new("/proc/self"), kind).as_ref() != Some(it))
    })
}

fn processes() -> Vec<PathBuf> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    all.filter(|path| path.join("ns/net").is_symlink()).collect()
}

impl Traces {
    fn of(folder: &Path) -> Outcome<Self> {
        let name = fs::read_to_string(folder.join("nodes/name"))?.trim().to_owned();
        let folder = folder.display().to_string();
        let ours = processes().into_iter().filter(|process| {
            fs::read_to_string(process.join("cmdline")).is_ok_and(|line| line.contains(&folder))
        });
        let namespaces = ours.flat_map(|process| namespaces(&process)).collect();
        Ok(Self { name, folder, namespaces })
    }

    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        if Path::new(&self.folder).exists() {
            left.push(self.folder.clone());
        }
        if Path::new("/sys/class/net").join(&self.name).exists() {
            left.push(format!("interface {}", self.name));
        }
        let groups = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
        for top in groups.chain([PathBuf::from("/sys/fs/cgroup")]) {
            left.extend(top.join(&self.name).exists().then(|| format!("cgroup below {}", top.display())));
        }
        for process in processes() {
            let inside = namespaces(&process).any(|namespace| self.namespaces.contains(&namespace));
            let line = fs::read_to_string(process.join("cmdline")).unwrap_or_default();
            if inside || line.contains(&self.folder) {
                left.push(format!("process {} {}", process.display(), line.replace('\0', " ")));
            }
        }
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let ours = mounts.lines().filter(|line| line.contains(&self.folder) || line.contains(&self.name));
        left.extend(ours.map(|line| format!("mount {line}")));
        left
    }

    async fn are_gone(&self) -> Outcome {
        let gone = eventually(SOON, "everything of the nodes to be gone", || async {
            let left = self.left();
            if left.is_empty() { Ok(()) } else { Err(left.join("; ")) }
        });
        Ok(gone.await?)
    }
}

#[tokio::test]
async fn nodes_go_with_their_owner_even_by_sigkill() -> Outcome {
    let _turn = turn().await;
    if skip_real_nodes() {
        return Ok(());
    }
    let mut owner = start_owner()?;
    let traces = Traces::of(&owner.folder)?;
    assert!(traces.namespaces.len() >= 3, "the node has namespaces: {:?}", traces.namespaces);
    let left = traces.left();
    for part in ["interface", "cgroup", "containerd-shim", "kubelet"] {
        assert!(left.iter().any(|one| one.contains(part)), "the test sees no {part}: {left:?}");
    }
    owner.child.kill()?;
    owner.child.wait()?;
    traces.are_gone().await?;

    // Not even the reaper lives: the next start cleans up.
    let mut owner = start_owner()?;
    let traces = Traces::of(&owner.folder)?;
    Command::new("kill").args(["-KILL", &owner.reaper]).status()?;
    owner.child.kill()?;
    owner.child.wait()?;
    assert!(!traces.left().is_empty(), "nobody has cleaned up yet");
    let _run =
        tokio::time::timeout(Duration::from_secs(60), tokio::task::spawn_blocking(Run::start)).await???;
    traces.are_gone().await
}

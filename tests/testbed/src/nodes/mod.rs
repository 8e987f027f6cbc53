//! Real nodes: containerd, kubelet and kube-proxy, each node in namespaces of its own.
//!
//! ```text
//! machine ── tenantryN ── switch ─┬─ node zone-a-0 ── pods 198.18.x+1.0/24
//! (etcd, kube-apiserver,          ├─ node zone-b-0 ── pods 198.18.x+2.0/24
//!  controllers, CoreDNS)          └─ node zone-c-0 ── pods 198.18.x+3.0/24
//! ```
//!
//! Needs root on Linux. Images come from archives, not from a registry.

mod cgroups;
mod containerd;
mod csi;
mod dns;
mod doors;
mod images;
mod kubelet;
mod metrics;
mod network;
mod node;
mod packages;
mod place;
mod space;
mod volumes;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::certs::{Authority, write_private};
use crate::cluster::{Cluster, Options};
use crate::error::{Error, Result, io};
use crate::process::Process;
use crate::programs;
use crate::registry::Run;
pub use csi::{CSI_CLASS, CSI_DRIVER};
pub use images::WEB_IMAGE;
use kubelet::Facts;
use node::{Node, Parts};
pub use packages::skip_real_nodes;
use place::{MOST_NODES, Place};
use space::Space;

/// Removes what namespaces don't take along.
const CLEAN: &str = include_str!("clean.sh");

/// What real nodes should have.
#[derive(Debug, Clone, Default)]
pub struct RealNodes {
    /// Further names of the image [`WEB_IMAGE`], so that manifests that name others run, too.
    pub images: Vec<String>,
}

/// The helper programs of real nodes.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    /// Kubernetes with kubelet and kube-proxy.
    pub(crate) kubernetes: PathBuf,
    coredns: PathBuf,
    web: PathBuf,
    plugins: PathBuf,
}

impl Programs {
    /// Installs and builds what is missing.
    pub(crate) fn find() -> Result<Self> {
        packages::ensure()?;
        let plugins = packages::cni_folder();
        let plugins =
            plugins.ok_or_else(|| Error::Invalid("the network plugins are not installed".into()))?;
        let (kubernetes, coredns, web) = (programs::nodes()?, programs::coredns()?, programs::web()?);
        Ok(Self { kubernetes, coredns, web, plugins })
    }
}

/// Installs and builds what real nodes need, so that a start after it is quick.
///
/// # Errors
/// This machine can't have real nodes, or something can't be had; the message says what to do.
pub fn prepare_real_nodes() -> Result<()> {
    Programs::find().map(drop)
}

/// All real nodes of a cluster, and the network between them.
pub(crate) struct Fleet {
    nodes: Vec<Node>,
    images: Vec<images::Image>,
    dns: OnceLock<Process>,
    metrics: OnceLock<Process>,
    volumes: OnceLock<Process>,
    snapshots: Mutex<Option<csi::Snapshots>>,
    switch: Space,
    place: Place,
    programs: Programs,
    run: Arc<Run>,
}

impl Fleet {
    /// Makes the network, so that the API server can listen there; there are no nodes yet.
    pub(crate) fn new(run: &Arc<Run>, programs: Programs, options: &Options) -> Result<Self> {
        let count: u32 = options.zones.iter().map(|zone| zone.nodes).sum();
        let count = u8::try_from(count).ok().filter(|count| *count <= MOST_NODES);
        let count =
            count.ok_or_else(|| Error::Invalid(format!("at most {MOST_NODES} real nodes have addresses")))?;
        let place = Place::reserve(run)?;
        let folder = run.folder("nodes")?;
        write_private(&folder.join("name"), &format!("{}\n", place.name()))?;
        run.clean_with(CLEAN)?;
        let switch = Space::network(run, "switch", &run.folder("switch")?)?;
        network::switch(place, &switch, count)?;
        let names = options.real_nodes.as_ref().map(|real| real.images.clone()).unwrap_or_default();
        let images = images::pack(run, &programs.web, &names)?;
        let run = Arc::clone(run);
        Ok(Self {
            nodes: Vec::new(),
            images,
            dns: OnceLock::new(),
            metrics: OnceLock::new(),
            volumes: OnceLock::new(),
            snapshots: Mutex::new(None),
            switch,
            place,
            programs,
            run,
        })
    }

    /// The address that the API server has for the nodes.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.place.host()
    }

    /// Flags for the control plane: its server is called by nodes and pods, and calls kubelets; a lost node
    /// is noticed and its pods replaced within 20 s, not 6 minutes.
    pub(crate) fn flags(&self, authority: &Authority, options: &mut Options) -> Result<()> {
        let identity = authority.client("kube-apiserver-kubelet-client", &["system:masters"])?;
        let (cert, key) = (authority.path("kubelet-client.crt"), authority.path("kubelet-client.key"));
        write_private(&cert, &identity.cert)?;
        write_private(&key, &identity.key)?;
        let apiserver = [
            "--endpoint-reconciler-type=lease".to_owned(),
            format!("--kubelet-client-certificate={}", cert.display()),
            format!("--kubelet-client-key={}", key.display()),
            "--kubelet-preferred-address-types=InternalIP".into(),
            "--default-not-ready-toleration-seconds=3".into(),
            "--default-unreachable-toleration-seconds=3".into(),
        ];
        let apiserver = apiserver.into_iter().chain(metrics::aggregation(authority)?);
        // Before those of the caller, who may know better.
        options.apiserver_args.splice(0..0, apiserver);
        let manager = [
            "--node-monitor-period=1s",
            "--node-monitor-grace-period=12s",
            "--node-eviction-rate=10",
            "--secondary-node-eviction-rate=10",
            // An autoscaler looks after seconds, not minutes.
            "--horizontal-pod-autoscaler-sync-period=3s",
            "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
            "--horizontal-pod-autoscaler-cpu-initialization-period=5s",
            "--horizontal-pod-autoscaler-downscale-stabilization=10s",
        ];
        options.manager_args.splice(0..0, manager.map(str::to_owned));
        Ok(())
    }

    /// Starts all nodes at once.
    pub(crate) fn start(&mut self, authority: &Authority, url: &str, options: &Options) -> Result<()> {
        let each = options.zones.iter().flat_map(|zone| (0..zone.nodes).map(move |index| (zone, index)));
        let facts = each.zip(1..).map(|((zone, index), number)| Facts {
            name: format!("{}-{index}", zone.name),
            zone: zone.name.clone(),
            region: zone.region.clone(),
            number,
            place: self.place,
        });
        let facts: Vec<Facts> = facts.collect();
        let count = u8::try_from(facts.len()).unwrap_or(MOST_NODES);
        let parts = self.parts(count);
        let nodes: Result<Vec<Node>> =
            facts.into_iter().map(|facts| Node::new(&parts, facts, authority, url)).collect();
        self.nodes = nodes?;
        self.on_all(|_| true, |node, parts| node.start(parts))
    }

    /// Does something on some nodes at once; the first error counts.
    fn on_all(
        &self,
        which: impl Fn(&Facts) -> bool,
        act: impl Fn(&Node, &Parts<'_>) -> Result<()> + Sync,
    ) -> Result<()> {
        let parts = self.parts(u8::try_from(self.nodes.len()).unwrap_or(MOST_NODES));
        let chosen: Vec<&Node> = self.nodes.iter().filter(|node| which(&node.facts)).collect();
        std::thread::scope(|scope| {
            let (act, parts) = (&act, &parts);
            let threads: Vec<_> =
                chosen.into_iter().map(|node| scope.spawn(move || act(node, parts))).collect();
            let ended = |_| Err(Error::Invalid("a helper thread ended".into()));
            threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(ended))
        })
    }

    fn parts(&self, count: u8) -> Parts<'_> {
        Parts {
            run: &self.run,
            switch: &self.switch,
            count,
            program: &self.programs.kubernetes,
            plugins: &self.programs.plugins,
            images: &self.images,
        }
    }

    /// An error with the end of a log if something has ended that should run.
    pub(crate) fn check(&self) -> Result<()> {
        let parts = [&self.dns, &self.metrics, &self.volumes];
        parts.into_iter().filter_map(OnceLock::get).try_for_each(Process::check)?;
        self.nodes.iter().try_for_each(Node::check)
    }
}

impl Cluster {
    /// Starts the name service and waits until it answers.
    pub(crate) async fn start_dns(&self) -> Result<()> {
        let (fleet, (authority, url)) = (self.fleet()?, self.authority()?);
        let (process, port) = dns::start(self.run(), &fleet.programs.coredns, fleet.place, authority, &url)?;
        self.apply_yaml(&dns::service(fleet.place, port)).await?;
        let process = fleet.dns.get_or_init(|| process);
        let address = format!("{}:{port}", fleet.address());
        process.answers(&address, "CoreDNS to answer", Duration::from_secs(60)).await
    }

    /// Switches all nodes of a zone off, as a power cut does.
    ///
    /// # Errors
    /// The nodes are not ours, or not real.
    pub fn crash_zone(&self, zone: &str) -> Result<()> {
        self.in_zone(zone, |node, _| {
            node.crash();
            Ok(())
        })
    }

    /// Switches all nodes of a zone on again.
    ///
    /// # Errors
    /// The nodes are not ours, not real, or do not start.
    pub fn start_zone(&self, zone: &str) -> Result<()> {
        self.in_zone(zone, |node, parts| node.start(parts))
    }

    /// Kills the kubelets of a zone; containers run on.
    ///
    /// # Errors
    /// The nodes are not ours, or not real.
    pub fn stop_kubelets(&self, zone: &str) -> Result<()> {
        self.in_zone(zone, |node, _| {
            node.stop_kubelet();
            Ok(())
        })
    }

    /// Starts the kubelets of a zone again.
    ///
    /// # Errors
    /// The nodes are not ours, not real, or are off.
    pub fn start_kubelets(&self, zone: &str) -> Result<()> {
        self.in_zone(zone, |node, parts| node.start_kubelet(parts))
    }

    /// Sends a signal (`KILL`, `STOP`, …) to the first process of a container, whose id is as a pod's status
    /// has it: `containerd://…`.
    ///
    /// # Errors
    /// The node is not ours, not real, or off; there is no such container.
    pub fn signal_container(&self, node: &str, container: &str, signal: &str) -> Result<()> {
        let id = container.trim_start_matches("containerd://");
        let found = self.fleet()?.nodes.iter().find(|one| one.facts.name == node);
        match found.map(|node| node.signal(id, signal)).transpose()? {
            Some(true) => Ok(()),
            _ => Err(Error::Invalid(format!("node {node} is not there, or off"))),
        }
    }

    /// Gives all real nodes the image of an OCI archive.
    ///
    /// # Errors
    /// The nodes are not ours, or not real; the archive is wrong.
    pub fn import_image(&self, archive: &Path) -> Result<()> {
        std::fs::metadata(archive).map_err(io("read", archive))?;
        self.fleet()?.on_all(|_| true, |node, _| node.import(archive))
    }

    fn in_zone(&self, zone: &str, act: impl Fn(&Node, &Parts<'_>) -> Result<()> + Sync) -> Result<()> {
        self.fleet()?.on_all(|facts| facts.zone == zone, act)
    }
}

//! A real Kubernetes control plane with simulated nodes.

mod apply;
mod audit;
mod control_plane;
mod etcd;
mod nodes;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::OnceCell;

use crate::certs::{Authority, write_kubeconfig, write_private};
use crate::error::{Error, Result, kube_error};
use crate::nodes::{Fleet, Programs, RealNodes};
use crate::programs;
use crate::registry::Run;
use control_plane::ControlPlane;
pub use nodes::{NodeShape, Zone};

/// A user who may do everything.
pub const ADMIN: &str = "tenantry-admin";
/// The user that the operator is inside a cluster.
pub const OPERATOR_USER: &str = "system:serviceaccount:tenantry-system:tenantry";

/// The groups of [`OPERATOR_USER`].
#[must_use]
pub fn operator_groups() -> &'static [&'static str] {
    &["system:serviceaccounts", "system:serviceaccounts:tenantry-system", "system:authenticated"]
}

/// What a cluster should have.
#[derive(Debug, Clone)]
pub struct Options {
    /// The zones and how many nodes each has.
    pub zones: Vec<Zone>,
    /// The size of each node.
    pub node: NodeShape,
    /// With controller-manager, scheduler and nodes; without them objects are only stored.
    pub controllers: bool,
    /// Real nodes instead of simulated ones: needs root on Linux, see [`crate::skip_real_nodes`].
    pub real_nodes: Option<RealNodes>,
    /// The API server records what the operator writes: see [`Cluster::audit`].
    pub audit: bool,
    /// The API server records what this policy says, in [`Cluster::audit_log`].
    pub audit_policy: Option<String>,
    /// More flags for kube-apiserver.
    pub apiserver_args: Vec<String>,
    /// More flags for kube-controller-manager.
    pub manager_args: Vec<String>,
}

impl Default for Options {
    /// Three zones in one region, two nodes each, with all controllers.
    fn default() -> Self {
        let zone = |name: &str| Zone { name: name.into(), region: "region-1".into(), nodes: 2 };
        Self {
            zones: vec![zone("zone-a"), zone("zone-b"), zone("zone-c")],
            node: NodeShape::default(),
            controllers: true,
            real_nodes: None,
            audit: false,
            audit_policy: None,
            apiserver_args: Vec::new(),
            manager_args: Vec::new(),
        }
    }
}

impl Options {
    /// Only etcd and the API server: enough for tests of single calls, and quicker.
    #[must_use]
    pub fn api_only() -> Self {
        Self { zones: Vec::new(), controllers: false, ..Self::default() }
    }

    /// Three zones in one region with a real node each.
    #[must_use]
    pub fn real_nodes(real: RealNodes) -> Self {
        let mut options = Self { real_nodes: Some(real), ..Self::default() };
        options.zones.iter_mut().for_each(|zone| zone.nodes = 1);
        options
    }
}

/// A cluster to test against: one of our own, or a context of the user's kubeconfig.
pub struct Cluster {
    own: Option<Own>,
    config: Config,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    run: Arc<Run>,
}

/// What only a cluster of our own has.
struct Own {
    /// Before the control plane: what is dropped first ends first.
    fleet: Option<Fleet>,
    plane: Mutex<ControlPlane>,
    authority: Authority,
    options: Options,
}

impl Cluster {
    /// Starts a control plane in a folder and on ports of its own, and waits until it
    /// is ready: with controllers, until all nodes take pods.
    ///
    /// # Errors
    /// A program is missing or does not come up; the message has the end of its log.
    pub async fn start(options: Options) -> Result<Self> {
        let mut attempts = 3;
        loop {
            attempts -= 1;
            match Self::try_start(options.clone()).await {
                // Another program took one of our ports in the meantime.
                Err(error) if attempts > 0 && error.to_string().contains("address already in use") => {}
                outcome => return outcome,
            }
        }
    }

    /// A cluster with all controllers that all tests of this process share; each test
    /// uses names of its own. It ends with the process.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_try_init(|| Self::start(Options::default())).await
    }

    /// Like [`Cluster::shared`], but only etcd and the API server.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn shared_api() -> Result<&'static Self> {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_try_init(|| Self::start(Options::api_only())).await
    }

    async fn try_start(options: Options) -> Result<Self> {
        let (controllers, real) = (options.controllers, options.real_nodes.is_some());
        let programs = blocking(move || match (controllers, real) {
            (true, true) => Programs::find().map(|real| (real.kubernetes.clone(), None, Some(real))),
            (true, false) => Ok((programs::kubernetes()?, Some(programs::kwok()?), None)),
            (false, _) => Ok((programs::kubernetes()?, None, None)),
        });
        let (kubernetes, kwok, real) = programs.await?;
        let run = Run::start()?;
        let fleet = real.map(|programs| Fleet::new(&run, programs, &options)).transpose()?;
        let address = fleet.as_ref().map_or(Ipv4Addr::LOCALHOST, Fleet::address);
        let authority = Authority::create(run.folder("pki")?, address)?;
        let mut options = options;
        fleet.iter().try_for_each(|fleet| fleet.flags(&authority, &mut options))?;
        if options.audit {
            options.apiserver_args.extend(audit::flags(&run)?);
        }
        if let Some(policy) = &options.audit_policy {
            options.apiserver_args.extend(audit::flags_of(&run, policy)?);
        }
        let plane = ControlPlane::start(&run, &authority, &options, &kubernetes, kwok)?;
        let kubeconfig = run.dir().join("kubeconfig");
        let admin = authority.client(ADMIN, &["system:masters"])?;
        write_kubeconfig(&kubeconfig, &plane.url(), &authority.path("ca.crt"), Some(&admin))?;
        let config = load(&kubeconfig, None).await?;
        let kubectl = kubernetes.with_file_name("kubectl");
        let own = Own { fleet, plane: Mutex::new(plane), authority, options };
        let mut cluster = Self { own: Some(own), config, kubeconfig, kubectl, run };
        cluster.start_fleet().await?;
        cluster.wait_ready(Duration::from_secs(90)).await?;
        Ok(cluster)
    }

    /// The cluster behind a context of the user's kubeconfig. It is neither started
    /// nor stopped, and its nodes are left alone.
    ///
    /// # Errors
    /// The context does not exist or can't be used.
    pub async fn from_context(context: &str) -> Result<Self> {
        let mut kubeconfig = Kubeconfig::read().map_err(|error| {
            Error::Invalid(format!("can't read your kubeconfig: {error}; set KUBECONFIG to its path"))
        })?;
        kubeconfig.current_context = Some(context.to_string());
        let run = Run::start()?;
        let path = run.dir().join("kubeconfig");
        let text =
            serde_json::to_string_pretty(&kubeconfig).map_err(|error| Error::Invalid(error.to_string()))?;
        write_private(&path, &text)?;
        let config = load(&path, Some(context)).await?;
        Ok(Self { own: None, config, kubeconfig: path, kubectl: PathBuf::from("kubectl"), run })
    }

    /// A new client with all rights, for the async runtime of the caller.
    ///
    /// # Panics
    /// Never in practice: the same configuration has made a client before.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn client(&self) -> Client {
        self.new_client().expect("a configuration that has worked before makes a client again")
    }

    fn new_client(&self) -> Result<Client> {
        Client::try_from(self.config.clone()).map_err(kube_error("make a client"))
    }

    /// The client configuration of [`Cluster::client`].
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The kubeconfig of a user with all rights.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A kubeconfig for `user` in `groups` (at most two besides `system:authenticated`).
    /// In the user's own cluster this is an impersonation.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn kubeconfig_for(&self, user: &str, groups: &[&str]) -> Result<PathBuf> {
        let folder = self.run.folder("users")?;
        let file: String = user.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let path = folder.join(format!("{file}.kubeconfig"));
        match &self.own {
            Some(own) => {
                let identity = own.authority.client(user, groups)?;
                write_kubeconfig(&path, &own.plane().url(), &own.authority.path("ca.crt"), Some(&identity))?;
            }
            None => self.write_impersonating(&path, user, groups)?,
        }
        Ok(path)
    }

    fn write_impersonating(&self, path: &Path, user: &str, groups: &[&str]) -> Result<()> {
        let invalid = |error: String| Error::Invalid(format!("can't use your kubeconfig: {error}"));
        let text = std::fs::read_to_string(&self.kubeconfig).map_err(|error| invalid(error.to_string()))?;
        let mut config: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        for entry in config["users"].as_array_mut().into_iter().flatten() {
            entry["user"]["as"] = user.into();
            entry["user"]["as-groups"] = groups.into();
        }
        write_private(path, &config.to_string())
    }

    /// The kubectl program that goes with this cluster.
    #[must_use]
    pub fn kubectl(&self) -> &Path {
        &self.kubectl
    }

    /// The folder and ports that everything of this cluster lives in.
    #[must_use]
    pub fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// Kills the API server; etcd and the controllers stay.
    ///
    /// # Errors
    /// The cluster is not ours.
    pub fn stop_apiserver(&self) -> Result<()> {
        self.own()?.plane().stop_apiserver();
        Ok(())
    }

    /// Starts the API server again, on the same port, and waits until it is ready.
    ///
    /// # Errors
    /// The cluster is not ours, or the server does not come up.
    pub async fn start_apiserver(&self) -> Result<()> {
        self.own()?.plane().start_apiserver(&self.run)?;
        self.wait_api(Duration::from_secs(60)).await
    }

    /// The address at which pods on real nodes reach this machine.
    ///
    /// # Errors
    /// The nodes are not ours, or not real.
    pub fn machine(&self) -> Result<Ipv4Addr> {
        Ok(self.fleet()?.address())
    }

    /// The API server's process id: what a crash test kills.
    ///
    /// # Errors
    /// The cluster is not ours, or its API server is stopped.
    pub fn apiserver_pid(&self) -> Result<u32> {
        self.own()?.plane().apiserver_pid()
    }

    /// Who signs certificates, and the API server's own address.
    pub(crate) fn authority(&self) -> Result<(&Authority, String)> {
        let own = self.own()?;
        Ok((&own.authority, own.plane().url()))
    }

    /// Starts the real nodes, if there are to be some.
    async fn start_fleet(&mut self) -> Result<()> {
        if self.fleet().is_err() {
            return Ok(());
        }
        self.wait_api(Duration::from_secs(60)).await?;
        let Some(own) = &mut self.own else { return Ok(()) };
        let url = own.plane().url();
        if let Some(fleet) = &mut own.fleet {
            fleet.start(&own.authority, &url, &own.options)?;
        }
        self.start_dns().await
    }

    /// The real nodes.
    pub(crate) fn fleet(&self) -> Result<&Fleet> {
        let simulated = || Error::Invalid("this cluster's nodes are simulated".into());
        self.own()?.fleet.as_ref().ok_or_else(simulated)
    }

    fn own(&self) -> Result<&Own> {
        self.own.as_ref().ok_or_else(|| Error::Invalid("this cluster is not ours to stop or change".into()))
    }
}

impl Own {
    fn plane(&self) -> MutexGuard<'_, ControlPlane> {
        self.plane.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn load(path: &Path, context: Option<&str>) -> Result<Config> {
    let invalid = |error: kube::config::KubeconfigError| {
        Error::Invalid(format!("can't use the kubeconfig {}: {error}", path.display()))
    };
    let kubeconfig = Kubeconfig::read_from(path).map_err(invalid)?;
    let options = KubeConfigOptions { context: context.map(String::from), ..Default::default() };
    Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(invalid)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Invalid(format!("a helper thread ended: {error}")))?
}

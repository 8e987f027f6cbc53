//! The processes of a control plane, and when it is ready.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::certs::{Authority, write_kubeconfig};
use crate::cluster::etcd::Etcd;
use crate::cluster::{Cluster, Options};
use crate::error::{Error, Result};
use crate::nodes::Fleet;
use crate::process::Process;
use crate::registry::Run;
use crate::wait::eventually;

/// What kwok does with nodes and pods.
const STAGES: &str = include_str!("stages.yaml");

/// The processes; fields are dropped, and so killed, from top to bottom: an API server
/// that has lost its etcd is slow to end.
pub(crate) struct ControlPlane {
    controllers: Vec<Process>,
    apiserver: Option<Process>,
    etcd: Etcd,
    program: PathBuf,
    apiserver_args: Vec<String>,
    address: Ipv4Addr,
    port: u16,
}

impl ControlPlane {
    /// Starts everything at once; the parts wait for each other.
    pub(crate) fn start(
        run: &Arc<Run>,
        authority: &Authority,
        options: &Options,
        program: &Path,
        kwok: Option<PathBuf>,
    ) -> Result<Self> {
        let (etcd, port) = (Etcd::start(run, program)?, run.port()?);
        let mut args = apiserver_args(authority, &etcd.url(), port);
        args.extend(options.apiserver_args.iter().cloned());
        let mut plane = Self {
            controllers: Vec::new(),
            apiserver: None,
            etcd,
            program: program.to_path_buf(),
            apiserver_args: args,
            address: authority.address(),
            port,
        };
        plane.start_apiserver(run)?;
        if options.controllers {
            let url = plane.url();
            let user = |user: &str, groups: &[&str]| -> Result<PathBuf> {
                let path = authority.path(&format!("{}.kubeconfig", user.trim_start_matches("system:")));
                let identity = authority.client(user, groups)?;
                write_kubeconfig(&path, &url, &authority.path("ca.crt"), Some(&identity))?;
                Ok(path)
            };
            let mut manager =
                controller_manager(program, authority, &user("system:kube-controller-manager", &[])?);
            manager.args(&options.manager_args);
            let scheduler = scheduler(program, &user("system:kube-scheduler", &[])?);
            plane.controllers = vec![
                Process::start(run, "kube-controller-manager", manager)?,
                Process::start(run, "kube-scheduler", scheduler)?,
            ];
            if let Some(kwok) = kwok {
                let kwok = nodes(run, &kwok, &user("kwok", &["system:masters"])?)?;
                plane.controllers.push(Process::start(run, "kwok", kwok)?);
            }
        }
        Ok(plane)
    }

    /// The API server's address.
    pub(crate) fn url(&self) -> String {
        format!("https://{}:{}", self.address, self.port)
    }

    pub(crate) fn stop_apiserver(&mut self) {
        self.apiserver = None;
    }

    pub(crate) fn start_apiserver(&mut self, run: &Arc<Run>) -> Result<()> {
        if self.apiserver.is_none() {
            let mut command = Command::new(&self.program);
            command.arg("kube-apiserver").args(&self.apiserver_args);
            self.apiserver = Some(Process::start(run, "kube-apiserver", command)?);
        }
        Ok(())
    }

    pub(crate) fn apiserver_pid(&self) -> Result<u32> {
        let stopped = || Error::Invalid("the API server is stopped; start it first".into());
        self.apiserver.as_ref().map(Process::id).ok_or_else(stopped)
    }

    /// Where the objects are.
    pub(crate) fn etcd(&mut self) -> &mut Etcd {
        &mut self.etcd
    }

    /// An error with the end of its log if a process has ended.
    pub(crate) fn check(&self) -> Result<()> {
        self.etcd.check()?;
        self.apiserver.iter().chain(&self.controllers).try_for_each(Process::check)
    }
}

impl Cluster {
    /// Waits until the API server is ready and, with controllers, all nodes take pods.
    pub(crate) async fn wait_ready(&self, timeout: Duration) -> Result<()> {
        self.wait_api(timeout).await?;
        let own = self.own()?;
        if own.options.controllers {
            if own.fleet.is_none() {
                self.create_nodes().await?;
            }
            self.wait_nodes(timeout).await?;
        }
        own.fleet.iter().try_for_each(Fleet::check)?;
        own.plane().check()
    }

    /// Waits until the API server is ready.
    pub(crate) async fn wait_api(&self, timeout: Duration) -> Result<()> {
        let own = self.own()?;
        let client = self.new_client()?;
        eventually(timeout, "the API server to be ready", || {
            let (client, alive) = (client.clone(), own.plane().check());
            async move {
                if let Err(error) = alive {
                    return Ok(Err(error));
                }
                let request = http::Request::get("/readyz").body(Vec::new()).map_err(|e| e.to_string())?;
                client.request_text(request).await.map(|_| Ok(())).map_err(|error| error.to_string())
            }
        })
        .await?
    }
}

fn apiserver_args(authority: &Authority, etcd: &str, port: u16) -> Vec<String> {
    let file = |name: &str| authority.path(name).display().to_string();
    vec![
        format!("--etcd-servers={etcd}"),
        format!("--bind-address={}", authority.address()),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", file("server.crt")),
        format!("--tls-private-key-file={}", file("server.key")),
        format!("--client-ca-file={}", file("ca.crt")),
        format!("--service-account-key-file={}", file("tokens.pub")),
        format!("--service-account-signing-key-file={}", file("tokens.key")),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
        "--service-cluster-ip-range=10.96.0.0/16".into(),
        "--authorization-mode=RBAC,Node".into(),
        "--allow-privileged=true".into(),
        // The Service `kubernetes` may not point to a loopback address.
        "--endpoint-reconciler-type=none".into(),
        // A stopped server frees its port at once.
        "--shutdown-delay-duration=0s".into(),
        "--profiling=false".into(),
    ]
}

fn controller_manager(program: &Path, authority: &Authority, kubeconfig: &Path) -> Command {
    let file = |name: &str| authority.path(name).display().to_string();
    let mut command = Command::new(program);
    command.args(["kube-controller-manager", "--use-service-account-credentials", "--leader-elect=false"]);
    command.args(["--secure-port=0", "--kube-api-qps=500", "--kube-api-burst=1000", "--profiling=false"]);
    command.arg(format!("--kubeconfig={}", kubeconfig.display()));
    command.arg(format!("--root-ca-file={}", file("ca.crt")));
    command.arg(format!("--service-account-private-key-file={}", file("tokens.key")));
    command
}

fn scheduler(program: &Path, kubeconfig: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["kube-scheduler", "--leader-elect=false", "--secure-port=0"]);
    command.args(["--kube-api-qps=500", "--kube-api-burst=1000", "--profiling=false"]);
    command.arg(format!("--kubeconfig={}", kubeconfig.display()));
    command
}

fn nodes(run: &Run, kwok: &Path, kubeconfig: &Path) -> Result<Command> {
    let folder = run.folder("kwok")?;
    let stages = folder.join("stages.yaml");
    std::fs::write(&stages, STAGES).map_err(crate::error::io("write", &stages))?;
    let mut command = Command::new(kwok);
    command.arg("--manage-all-nodes=true").arg(format!("--kubeconfig={}", kubeconfig.display()));
    command.arg(format!("--config={}", stages.display()));
    // Only leases say that a node lives, and no port is opened.
    command.args(["--node-lease-duration-seconds=40", "--node-port=0"]);
    command.env("KWOK_WORKDIR", &folder);
    Ok(command)
}

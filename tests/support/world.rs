//! One cluster, one Git server and one operator for all tests of a binary. The operator goes through
//! proxies, as its own user with its own rights.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::json;
use tenantry::api::marks;
use tenantry_testbed::{
    Cluster, Error, GitServer, OPERATOR_USER, Operator, OperatorOptions, Options, Proxy, operator_groups,
    programs,
};
use tokio::sync::OnceCell;

use super::{Call, Outcome, at};

/// The Platform of tests that need no other.
pub const PLATFORM: &str = "base";
/// The operator's own namespace.
pub const SYSTEM: &str = "tenantry-system";

pub struct World {
    pub cluster: Cluster,
    /// In front of the API server, for the operator only.
    pub proxy: Proxy,
    pub git: GitServer,
    /// Where the world's operator takes push hooks.
    pub hooks: u16,
    operator: Mutex<Option<Operator>>,
    binary: PathBuf,
}

impl World {
    /// The binary's world; `None` when a program is missing that can't be built.
    pub async fn shared() -> Outcome<Option<&'static Self>> {
        static SHARED: OnceCell<Result<World, String>> = OnceCell::const_new();
        if programs::skip() {
            return Ok(None);
        }
        let world = SHARED.get_or_init(|| async {
            let world = Self::start(Options::default()).await.map_err(|error| error.to_string())?;
            world.start_operator(&[]).await.map_err(|error| error.to_string())?;
            Ok(world)
        });
        Ok(Some(world.await.as_ref().map_err(Clone::clone)?))
    }

    /// A world without an operator.
    pub async fn start(options: Options) -> Outcome<Self> {
        let cluster = Cluster::start(options).await?;
        let root = programs::repository_root();
        cluster.apply_path(root.join("crds")).await?;
        cluster.apply_path(root.join("manifests/install")).await?;
        let proxy = Proxy::apiserver(&cluster, OPERATOR_USER, operator_groups())?;
        let git = GitServer::start_in(cluster.run(), None).await?;
        // A copy: somebody may build while tests run.
        let binary = cluster.run().folder("bin")?.join("tenantry");
        std::fs::copy(env!("CARGO_BIN_EXE_tenantry"), &binary)?;
        let hooks = cluster.run().port()?;
        let world = Self { cluster, proxy, git, hooks, operator: Mutex::new(None), binary };
        world.call().apply(&at("platforms", "", PLATFORM), "tess", &platform(PLATFORM)).await?;
        Ok(world)
    }

    /// A client for the caller's async runtime, with all rights, past the guards: what they refuse has to be
    /// healed, too.
    pub fn call(&self) -> Call {
        self.call_as("tess", &["system:masters", marks::BREAK_GLASS])
    }

    /// A client of some user.
    pub fn call_as(&self, user: &str, groups: &[&str]) -> Call {
        let mut config = self.cluster.config().clone();
        config.auth_info.impersonate = Some(user.to_owned());
        let groups = groups.iter().chain(&["system:authenticated"]);
        config.auth_info.impersonate_groups = Some(groups.map(ToString::to_string).collect());
        Call { client: kube::Client::try_from(config).expect("this configuration made a client before") }
    }

    /// An operator through the world's proxy, with data of its own. It proves nothing of isolation: behind the proxy
    /// everyone is the operator, and tests look at what is asked of the API server.
    pub fn new_operator(&self, data: &str, args: &[&str]) -> Outcome<Operator> {
        let options = OperatorOptions {
            binary: self.binary.clone(),
            kubeconfig: self.proxy.kubeconfig()?.to_path_buf(),
            data_dir: self.cluster.run().folder(data)?,
            args: ["--proof-interval", "0s"].iter().chain(args).map(ToString::to_string).collect(),
            env: vec![("TENANTRY_LOG".into(), "tenantry=debug".into())],
        };
        Ok(Operator::start(self.cluster.run(), &options)?)
    }

    /// Starts the world's operator and waits until it is ready. Pods and nodes are counted when a test asks for it: the
    /// counts have a budget of their own, and tests look at what is asked of the API server.
    pub async fn start_operator(&self, args: &[&str]) -> Outcome {
        let hooks = format!("127.0.0.1:{}", self.hooks);
        let counts: &[&str] = if args.is_empty() { &["--zone-loss-interval", "24h"] } else { args };
        let operator = self.new_operator("operator", &[&["--hooks", &hooks], counts].concat())?;
        operator.ready(Duration::from_secs(60)).await?;
        *self.operator() = Some(operator);
        Ok(())
    }

    /// Runs another command of the operator's program; exit code, output, and what it says beside.
    pub fn program(&self, args: &[&str]) -> Outcome<(Option<i32>, String, String)> {
        let output = std::process::Command::new(&self.binary).args(args).output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
    }

    /// The folder of the world's operator.
    pub fn data(&self) -> Outcome<PathBuf> {
        Ok(self.cluster.run().folder("operator")?)
    }

    /// The operator, locked: not across an await.
    pub fn operator(&self) -> MutexGuard<'_, Option<Operator>> {
        self.operator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// SIGKILL.
    pub fn kill_operator(&self) {
        if let Some(operator) = self.operator().take() {
            operator.kill();
        }
    }

    /// SIGTERM; returns whether that was enough.
    pub fn stop_operator(&self) -> bool {
        self.operator().take().and_then(|operator| operator.stop()).is_some()
    }

    /// Everything that the operator has logged.
    pub fn logs(&self) -> String {
        self.operator().as_ref().map(Operator::logs).unwrap_or_default()
    }

    /// Runs kubectl with all rights; its output, or what it complains about.
    pub async fn kubectl(&self, args: &[&str]) -> Outcome<String> {
        let mut command = tokio::process::Command::new(self.cluster.kubectl());
        command.arg("--kubeconfig").arg(self.cluster.kubeconfig()).args(args);
        let output = command.output().await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let output = String::from_utf8_lossy(&output.stderr).trim().to_string();
        Err(Error::Command { command: format!("kubectl {}", args.join(" ")), output }.into())
    }
}

/// A Platform for tests: small limits, three zones, no source.
pub fn platform(name: &str) -> serde_json::Value {
    json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform", "metadata": {"name": name},
        "spec": {
            "environment": "test",
            "network": {
                "ingressFrom": [{"name": "gate", "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
                "sharedEgress": [{"name": "cache", "cidr": "192.0.2.0/24", "ports": [{"port": 6379}]}],
            },
            "isolation": {"injectors": ["mesh-injector"]},
            "defaults": {"quota": {"requests.cpu": "8", "requests.memory": "8Gi"}},
            "limits": {"replicas": 20, "egress": ["203.0.113.0/24"]},
        },
    })
}

//! What the tests share: the cluster, its operator, and whose turn it is.

use std::{ops::Deref, time::Duration};

use serde_json::{Value, json};
use tenantry_testbed::{
    Cluster, GitServer, OPERATOR_USER, Operator, OperatorOptions, Options, RealNodes, WEB_IMAGE, eventually,
    operator_groups, programs, skip_real_nodes,
};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::operator;
use crate::support::{
    Call, Outcome, at,
    objects::{condition, name, text},
    world::platform,
};

/// The Platform of all Tenants here.
pub const PLATFORM: &str = "nodes";
/// Longest wait for something that takes a moment.
pub const SOON: Duration = Duration::from_secs(60);

/// A cluster with real nodes and an operator: from its chart on nodes of ours, else a process beside it.
pub struct Bed {
    pub cluster: Cluster,
    /// Whether its nodes are ours to switch off.
    pub ours: bool,
    image: String,
    git: Option<GitServer>,
    _operator: Option<Operator>,
}

impl Bed {
    /// The cluster of this test binary; `None` when there can't be one.
    async fn shared() -> Outcome<Option<&'static Self>> {
        static SHARED: OnceCell<Result<Bed, String>> = OnceCell::const_new();
        let context = std::env::var("TENANTRY_TEST_CONTEXT").ok();
        if context.is_none() && skip_real_nodes() {
            return Ok(None);
        }
        let bed =
            SHARED.get_or_init(|| async { Self::start(context).await.map_err(|error| error.to_string()) });
        Ok(Some(bed.await.as_ref().map_err(Clone::clone)?))
    }

    async fn start(context: Option<String>) -> Outcome<Self> {
        match context {
            None => Self::own().await,
            Some(context) => Self::of_context(&context).await,
        }
    }

    /// Nodes of our own, with the operator from its chart and a Git server that pods reach.
    async fn own() -> Outcome<Self> {
        let options = Options { audit: true, ..Options::real_nodes(RealNodes::default()) };
        let cluster = Cluster::start(options).await?;
        operator::install(&cluster).await?;
        let git = GitServer::start_at(cluster.run(), cluster.machine()?, None).await?;
        cluster.apply_yaml(&platform(PLATFORM).to_string()).await?;
        operator::is_whole(&Call { client: cluster.client() }, 2).await?;
        Ok(Self { cluster, ours: true, image: WEB_IMAGE.to_owned(), git: Some(git), _operator: None })
    }

    async fn of_context(context: &str) -> Outcome<Self> {
        let image = std::env::var("TENANTRY_TEST_IMAGE");
        let image = image.map_err(|_| "set TENANTRY_TEST_IMAGE to an image of tests/programs/web")?;
        let cluster = Cluster::from_context(context).await?;
        let root = programs::repository_root();
        cluster.apply_path(root.join("crds")).await?;
        cluster.apply_path(root.join("manifests/install")).await?;
        cluster.apply_yaml(&platform(PLATFORM).to_string()).await?;
        // A copy: somebody may build while tests run.
        let binary = cluster.run().folder("bin")?.join("tenantry");
        std::fs::copy(env!("CARGO_BIN_EXE_tenantry"), &binary)?;
        let options = OperatorOptions {
            binary,
            kubeconfig: cluster.kubeconfig_for(OPERATOR_USER, operator_groups())?,
            data_dir: cluster.run().folder("operator")?,
            args: Vec::new(),
            env: Vec::new(),
        };
        let operator = Operator::start(cluster.run(), &options)?;
        operator.ready(SOON).await?;
        Ok(Self { cluster, ours: false, image, git: None, _operator: Some(operator) })
    }

    /// The Git server; only beside nodes of our own.
    pub fn git(&self) -> Outcome<&GitServer> {
        Ok(self.git.as_ref().ok_or("there is a Git server only beside nodes of our own")?)
    }
}

/// A test's turn on the cluster.
pub struct Site {
    pub bed: &'static Bed,
    call: Call,
    _turn: MutexGuard<'static, ()>,
}

impl Deref for Site {
    type Target = Call;
    fn deref(&self) -> &Call {
        &self.call
    }
}

/// Waits until no other test runs.
pub async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

impl Site {
    /// The cluster, once it is this test's turn; `None` when the test must be skipped.
    pub async fn new() -> Outcome<Option<Self>> {
        let turn = turn().await;
        let Some(bed) = Bed::shared().await? else { return Ok(None) };
        Ok(Some(Self { bed, call: Call { client: bed.cluster.client() }, _turn: turn }))
    }

    /// The same for tests that switch nodes off.
    pub async fn with_own_nodes() -> Outcome<Option<Self>> {
        let site = Self::new().await?;
        if site.as_ref().is_some_and(|site| !site.bed.ours) {
            eprintln!("skipped: the nodes of TENANTRY_TEST_CONTEXT are not ours to switch off");
            return Ok(None);
        }
        Ok(site)
    }

    /// A service of the small web server.
    pub fn service(&self, name: &str, replicas: i32) -> Value {
        let probe = json!({"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1});
        json!({
            "name": name, "image": self.bed.image, "replicas": {"min": replicas},
            "ports": [{"name": "http", "containerPort": 8080}], "probes": {"readiness": probe},
            "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
            "terminationGracePeriod": "2s",
        })
    }

    /// The image of services.
    pub fn image(&self) -> &str {
        &self.bed.image
    }

    /// A Tenant with three pods of `web` in three zones and one of `client`, Ready and spread.
    pub async fn tenant(&self, tenant: &str) -> Outcome<Value> {
        self.tenant_of(tenant, &[self.service("web", 3), self.service("client", 1)]).await
    }

    /// A Tenant with these services, Ready and spread.
    pub async fn tenant_of(&self, tenant: &str, services: &[Value]) -> Outcome<Value> {
        self.declare(tenant, services).await?;
        self.is_well(tenant).await
    }

    /// Applies a Tenant with these services.
    pub async fn declare(&self, tenant: &str, services: &[Value]) -> Outcome {
        let spec = json!({"platformRef": {"name": PLATFORM}, "services": services});
        let body = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": tenant}, "spec": spec,
        });
        self.apply(&at("tenants", "", tenant), "tess", &body).await?;
        Ok(())
    }

    /// Waits until a Tenant is Ready, available and spread.
    pub async fn is_well(&self, tenant: &str) -> Outcome<Value> {
        for promise in ["Ready", "WorkloadsAvailable", "ZoneSpread"] {
            self.until_of(&at("tenants", "", tenant), promise, "True", "").await?;
        }
        self.the(&at("tenants", "", tenant)).await
    }

    /// The pods of a service that are not on their way out.
    pub async fn pods(&self, tenant: &str, service: &str) -> Outcome<Vec<Value>> {
        let label = format!("?labelSelector=app.kubernetes.io/name={service}");
        let mut pods = self.list(&(at("pods", tenant, "") + &label)).await?;
        pods.retain(|pod| text(pod, "/metadata/deletionTimestamp").is_empty());
        Ok(pods)
    }

    /// Runs kubectl with all rights; its output, or what it complains about.
    pub async fn kubectl(&self, args: &[&str]) -> Outcome<String> {
        let mut command = tokio::process::Command::new(self.bed.cluster.kubectl());
        command.arg("--kubeconfig").arg(self.bed.cluster.kubeconfig()).args(args);
        let output = tokio::time::timeout(SOON, command.kill_on_drop(true).output()).await??;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("kubectl {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr)).into())
    }

    /// Runs the small web server's client in a pod of `client`.
    pub async fn client(&self, tenant: &str, args: &[&str]) -> Outcome<String> {
        let words = ["-n", tenant, "exec", "deployment/client", "--", "/web"];
        Ok(self.kubectl(&[&words, args].concat()).await?.trim().to_owned())
    }

    /// Waits until all nodes of a zone are Ready.
    pub async fn nodes_ready(&self, zone: &str) -> Outcome {
        let path = at("nodes", "", "") + &format!("?labelSelector=topology.kubernetes.io/zone={zone}");
        let what = format!("the nodes of {zone} to be Ready");
        let waited = eventually(SOON, &what, || async {
            let nodes = self.list(&path).await.map_err(|error| error.to_string())?;
            let away = nodes.iter().filter(|node| condition(node, "Ready")["status"] != "True");
            let away: Vec<&str> = away.map(name).collect();
            if away.is_empty() { Ok(()) } else { Err(away.join(", ")) }
        });
        Ok(waited.await?)
    }

    /// Takes a Tenant and its namespace away, and waits until its pods are gone.
    pub async fn clean_up(&self, tenant: &str) -> Outcome {
        self.clean_up_all(&[tenant]).await
    }

    /// The same for several at once.
    pub async fn clean_up_all(&self, tenants: &[&str]) -> Outcome {
        for tenant in tenants {
            self.begin_to_clean_up(tenant).await?;
        }
        for tenant in tenants {
            self.gone(&at("namespaces", "", tenant)).await?;
        }
        Ok(())
    }

    async fn begin_to_clean_up(&self, tenant: &str) -> Outcome {
        let allow = json!({"metadata": {"annotations": {"tenantry.dev/allow-delete": "test"}}});
        for path in [at("tenants", "", tenant), at("namespaces", "", tenant)] {
            self.merge(&path, "tess", &allow).await?;
            self.delete(&path).await?;
        }
        Ok(())
    }
}

/// Where pods are: node and zone come from the node's name, which is `ZONE-INDEX` with us.
pub fn nodes(pods: &[Value]) -> Vec<&str> {
    let mut nodes: Vec<&str> = pods.iter().map(|pod| text(pod, "/spec/nodeName")).collect();
    nodes.sort_unstable();
    nodes
}

/// Whether a pod runs and is ready.
pub fn is_ready(pod: &Value) -> bool {
    text(pod, "/status/phase") == "Running" && condition(pod, "Ready")["status"] == "True"
}

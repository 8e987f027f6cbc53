//! What the tests share: the cluster, its operator, and whose turn it is.

use std::{ops::Deref, time::Duration};

use serde_json::{Value, json};
use tenantry_testbed::{
    Cluster, OPERATOR_USER, Operator, OperatorOptions, Options, RealNodes, WEB_IMAGE, eventually,
    operator_groups, programs, skip_real_nodes,
};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::support::{
    Call, Outcome, at,
    objects::{condition, name, text},
    world::platform,
};

/// The Platform of all Tenants here.
const PLATFORM: &str = "nodes";
/// The operator's own image, for the probe of the network.
pub const PROBE_IMAGE: &str = "testbed.example.com/tenantry:probe";
/// Longest wait for something that takes a moment.
pub const SOON: Duration = Duration::from_secs(60);

/// A cluster with real nodes and an operator.
pub struct Bed {
    pub cluster: Cluster,
    /// Whether its nodes are ours to switch off.
    pub ours: bool,
    image: String,
    _operator: Operator,
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
        let ours = context.is_none();
        let (cluster, image) = match context {
            None => (Cluster::start(Options::real_nodes(RealNodes::default())).await?, WEB_IMAGE.to_owned()),
            Some(context) => {
                let image = std::env::var("TENANTRY_TEST_IMAGE");
                let image = image.map_err(|_| "set TENANTRY_TEST_IMAGE to an image of tests/programs/web")?;
                (Cluster::from_context(&context).await?, image)
            }
        };
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
            args: ["--proof-interval", "20s", "--probe-image", PROBE_IMAGE].map(str::to_owned).into(),
            env: Vec::new(),
        };
        let operator = Operator::start(cluster.run(), &options)?;
        operator.ready(SOON).await?;
        Ok(Self { cluster, ours, image, _operator: operator })
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

    /// A Tenant with three pods of `web` in three zones and one of `client`, Ready and spread.
    pub async fn tenant(&self, tenant: &str) -> Outcome<Value> {
        let probe = json!({"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1});
        let service = |name: &str, replicas: i32| {
            json!({
                "name": name, "image": self.bed.image, "replicas": {"min": replicas},
                "ports": [{"name": "http", "containerPort": 8080}], "probes": {"readiness": probe},
                "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
                "terminationGracePeriod": "2s",
            })
        };
        let spec = json!({
            "platformRef": {"name": PLATFORM}, "services": [service("web", 3), service("client", 1)],
        });
        let body = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": tenant}, "spec": spec,
        });
        self.apply(&at("tenants", "", tenant), "tess", &body).await?;
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
        let allow = json!({"metadata": {"annotations": {"tenantry.dev/allow-delete": "test"}}});
        for path in [at("tenants", "", tenant), at("namespaces", "", tenant)] {
            self.merge(&path, "tess", &allow).await?;
            self.delete(&path).await?;
        }
        self.gone(&at("namespaces", "", tenant)).await
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

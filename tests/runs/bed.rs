//! A Platform whose Tenants are backed up, and pods that end as a test wants.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenantry_testbed::{Ministack, Options, REGION, eventually, make_bucket, programs};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::support::{
    Kit, Outcome, World, at,
    kit::{SOON, merge},
    objects::{condition, name, text},
    world::SYSTEM,
};

/// Where the operator lives, and where the bucket is.
const ACCOUNTS: (&str, &str) = ("111111111111", "222222222222");
/// What the operator is started with; nobody pulls the image.
pub const IMAGE: [&str; 2] = ["--backup-image", "registry.k8s.io/pause:3.10"];

/// Longest wait for a run to begin: a Platform with one database has one token for each minute, and another run may have
/// taken this minute's.
const BEGUN: Duration = SOON.saturating_add(Duration::from_secs(60));

/// A world with a store beside it.
struct Shared {
    world: World,
    store: Ministack,
    role: String,
    keys: [String; 2],
}

/// A test's turn: each does something to the operator, or counts what it makes.
pub struct Bed {
    pub kit: Kit,
    shared: &'static Shared,
    _turn: MutexGuard<'static, ()>,
}

impl Bed {
    /// `None`, and said so, where programs are missing that the testbed can't build.
    pub async fn start() -> Outcome<Option<Self>> {
        static TURN: Mutex<()> = Mutex::const_new(());
        static SHARED: OnceCell<Result<Shared, String>> = OnceCell::const_new();
        if programs::skip() {
            return Ok(None);
        }
        let turn = TURN.lock().await;
        let shared = SHARED.get_or_init(|| async { start().await.map_err(|error| error.to_string()) }).await;
        let shared = shared.as_ref().map_err(Clone::clone)?;
        Ok(Some(Self { kit: Kit::of(&shared.world), shared, _turn: turn }))
    }

    /// A Tenant with these databases on a Platform of the same name, whose store is fit.
    pub async fn tenant(&mut self, tenant: &str, databases: &[&str]) -> Outcome {
        self.fit_platform(tenant).await?;
        self.databases(tenant, databases).await
    }

    /// A Platform whose store is fit.
    pub async fn fit_platform(&mut self, name: &str) -> Outcome {
        self.platform(name, &json!({})).await?;
        self.kit.until_of(&at("platforms", "", name), "StoreReady", "True", "").await?;
        Ok(())
    }

    /// A Platform whose store has these changes.
    pub async fn platform(&mut self, name: &str, changes: &Value) -> Outcome {
        self.secret(SYSTEM, "platform-key", json!({"key": "0123456789abcdef".repeat(4)})).await?;
        let [id, secret] = &self.shared.keys;
        let keys = json!({"aws-access-key-id": id, "aws-secret-access-key": secret});
        self.secret(SYSTEM, "store-keys", keys).await?;
        let (url, role) = (self.shared.store.url(), &self.shared.role);
        let mut backups = json!({
            "store": {
                "endpoint": url, "region": REGION, "bucket": "backups", "pathStyle": true,
                "expectedOwner": ACCOUNTS.1, "credentials": {"name": "store-keys"},
                "role": {"arn": role, "externalId": "shop", "stsEndpoint": url},
            },
            "key": {"secret": {"name": "platform-key"}},
            // What another test's Platform runs takes no place of this one.
            "concurrency": 1,
            "postgresql": {"image": "registry.k8s.io/pause:3.10", "resources": {"limits": {"memory": "300Mi"}}},
        });
        merge(&mut backups["store"], changes);
        self.kit.own_platform(name, &json!({"backups": backups})).await
    }

    /// A Tenant with these databases on the last Platform.
    pub async fn databases(&self, tenant: &str, databases: &[&str]) -> Outcome {
        self.kit.ready_tenant(tenant, json!({})).await?;
        let connection = json!({
            "host": "203.0.113.5", "dbname": "shop", "user": "shop", "password": "canary-database-password",
        });
        self.secret(tenant, "db", connection).await?;
        let one = |database: &&str| json!({"name": database, "connectionSecretRef": {"name": "db"}, "server": {"cidr": "203.0.113.5/32"}});
        let databases: Vec<Value> = databases.iter().map(one).collect();
        self.kit.tenant(tenant, json!({"databases": databases})).await?;
        Ok(())
    }

    async fn secret(&self, namespace: &str, name: &str, values: Value) -> Outcome {
        let body = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace},
            "stringData": values,
        });
        self.kit.apply(&at("secrets", namespace, name), "tess", &body).await?;
        Ok(())
    }

    /// The Job of a database's run, once it is there; `more` tells tries apart.
    pub async fn job(&self, tenant: &str, database: &str, more: impl Fn(&str) -> bool) -> Outcome<Value> {
        self.run(&format!("{tenant}-backup"), &format!("backup-{database}-"), more).await
    }

    /// The Job of a database's scheduled drill, once it is there.
    pub async fn drill(&self, tenant: &str, database: &str) -> Outcome<Value> {
        self.run(&format!("{tenant}-drill"), &format!("drill-{database}-"), |_| true).await
    }

    async fn run(&self, namespace: &str, begin: &str, more: impl Fn(&str) -> bool) -> Outcome<Value> {
        let path = at("jobs", namespace, "");
        let what = format!("a Job {namespace}/{begin}…");
        let found = eventually(BEGUN, &what, || async {
            let jobs = self.kit.list(&path).await.map_err(|error| error.to_string())?;
            let right = |job: &Value| name(job).starts_with(begin) && more(name(job));
            jobs.iter().find(|job| right(job)).cloned().ok_or_else(|| format!("{} Jobs", jobs.len()))
        });
        Ok(found.await?)
    }

    /// Where a run's Secret is.
    pub fn secret_of(job: &Value) -> String {
        at("secrets", text(job, "/metadata/namespace"), name(job))
    }

    /// What a run would have left in the store.
    pub async fn put(&self, key: &str, content: &str) -> Outcome {
        let client = self.shared.store.client(ACCOUNTS.1);
        client
            .put_object()
            .bucket("backups")
            .key(key)
            .body(content.as_bytes().to_vec().into())
            .send()
            .await?;
        Ok(())
    }

    /// The name of a Job's pod.
    pub async fn pod(&self, job: &Value) -> Outcome<String> {
        let namespace = text(job, "/metadata/namespace");
        let of_job = format!("?labelSelector=batch.kubernetes.io/job-name={}", name(job));
        let path = at("pods", namespace, "") + &of_job;
        let pod = eventually(SOON, "the run's pod", || async {
            let pods = self.kit.list(&path).await.map_err(|error| error.to_string())?;
            pods.into_iter().next().ok_or_else(|| "no pod".to_owned())
        });
        Ok(name(&pod.await?).to_owned())
    }

    /// Ends a Job's pod with a status; returns its name.
    pub async fn end(&self, job: &Value, status: Value) -> Outcome<String> {
        let pod = self.pod(job).await?;
        let status_of = at("pods", text(job, "/metadata/namespace"), &pod) + "/status";
        self.kit.merge(&status_of, "tess", &json!({"status": status})).await?;
        Ok(pod)
    }

    /// The Job's time is over.
    pub async fn time_out(&self, job: &Value) -> Outcome {
        let path = at("jobs", text(job, "/metadata/namespace"), name(job));
        self.kit.merge(&path, "tess", &json!({"spec": {"activeDeadlineSeconds": 1}})).await?;
        Ok(())
    }

    /// Waits until a Job has this condition, and lets so many minutes go by.
    pub async fn age(&self, job: &Value, type_: &str, minutes: i64) -> Outcome {
        let path = at("jobs", text(job, "/metadata/namespace"), name(job));
        let has = |now: &Value| condition(now, type_)["status"] == "True";
        let now = self.kit.object(&path, type_, has).await?;
        let then = Timestamp::now() - SignedDuration::from_mins(minutes);
        let mut conditions = now["status"]["conditions"].clone();
        for one in conditions.as_array_mut().into_iter().flatten() {
            one["lastTransitionTime"] = json!(then.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
        self.kit.merge(&(path + "/status"), "tess", &json!({"status": {"conditions": conditions}})).await?;
        Ok(())
    }
}

/// The status of a pod whose container `work` has ended.
pub fn ended(phase: &str, terminated: Value) -> Value {
    json!({
        "phase": phase,
        "containerStatuses": [{
            "name": "work", "image": "x", "imageID": "x", "ready": false, "restartCount": 0,
            "state": {"terminated": terminated},
        }],
    })
}

async fn start() -> Outcome<Shared> {
    let policy =
        std::process::Command::new(env!("CARGO_BIN_EXE_tenantry")).args(["audit", "policy"]).output()?;
    let audit_policy = Some(String::from_utf8(policy.stdout)?);
    let world = World::start(Options { zones: Vec::new(), audit_policy, ..Options::default() }).await?;
    let store = Ministack::start_in(world.cluster.run()).await?;
    make_bucket(&store.client(ACCOUNTS.1), "backups", None).await?;
    let (keys, role) = store.trusted(ACCOUNTS, "shop", "backups").await?;
    world.start_operator(&IMAGE).await?;
    Ok(Shared { world, store, role, keys: [keys.id, keys.secret] })
}

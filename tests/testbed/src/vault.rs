//! One PostgreSQL that is backed up into a store on this machine: the manifests that the tests on real nodes and the demo
//! share.

use std::path::Path;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::error::Result;
use crate::image::database_image;
use crate::postgres::postgres_programs;
use crate::stores::{REGION, StoreKeys, Versitygw, make_bucket};

/// The image of the database, as the nodes know it.
pub const DATABASE_IMAGE: &str = "testbed.example.com/postgres:1";

/// A server that makes its cluster at the start: its data is as fleeting as its pod.
const SERVE: &str = "printf %s \"$POSTGRES_PASSWORD\" > /tmp/password && \
    initdb -D /data/pg -U app -A scram-sha-256 --pwfile=/tmp/password -E UTF8 --locale=C.UTF-8 --no-sync && \
    printf 'host all all all scram-sha-256\\n' >> /data/pg/pg_hba.conf && \
    exec postgres -D /data/pg -c listen_addresses='*' -c unix_socket_directories=/tmp -c fsync=off";

/// A store with a locked bucket, and a Platform whose Tenants are backed up there.
#[derive(Debug)]
pub struct Vault {
    /// The store.
    pub store: Versitygw,
    platform: &'static str,
    machine: String,
}

impl Vault {
    /// Gives the nodes PostgreSQL's image, and starts the store where pods reach it.
    ///
    /// # Errors
    /// PostgreSQL or the store isn't to be had; the nodes are not ours.
    pub async fn start(cluster: &Cluster, platform: &'static str) -> Result<Self> {
        let folder = cluster.run().folder("postgres-image")?;
        let archive = folder.join("image.tar");
        pack(&folder, &archive).await?;
        cluster.import_image(&archive)?;
        let machine = cluster.machine()?.to_string();
        let store = Versitygw::start_at(cluster.run(), &machine).await?;
        make_bucket(&store.client(), "backups", Some(14)).await?;
        Ok(Self { store, platform, machine })
    }

    /// The Platform's Secrets in the operator's namespace: the store's credentials, and its key.
    #[must_use]
    pub fn secrets(&self) -> [(&'static str, Value); 2] {
        let StoreKeys { id, secret, .. } = self.store.root();
        [
            ("store-keys", json!({"aws-access-key-id": id, "aws-secret-access-key": secret})),
            ("platform-key", json!({"key": "0123456789abcdef".repeat(4)})),
        ]
    }

    /// The Platform.
    #[must_use]
    pub fn platform(&self) -> Value {
        json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform", "metadata": {"name": self.platform},
            "spec": {
                "environment": "test",
                "topology": {"minZones": 1},
                "backups": {
                    "store": {
                        "endpoint": self.store.url(), "region": REGION, "bucket": "backups", "prefix": "site",
                        "pathStyle": true, "credentials": {"name": "store-keys"},
                        "objectLock": {"mode": "Compliance", "days": 14},
                        "egress": [{"name": "store", "cidr": format!("{}/32", self.machine)}],
                    },
                    "key": {"secret": {"name": "platform-key"}},
                    "postgresql": {
                        "image": DATABASE_IMAGE, "sampledTables": 2, "scratch": "1Gi",
                        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
                    },
                },
            },
        })
    }

    /// A Tenant with a database in a pod of its own, whose Secret `db` is [`Self::connection`]. It is `listed` once there
    /// is something in it: the first run doesn't wait.
    #[must_use]
    pub fn tenant(&self, name: &str, listed: bool) -> Value {
        let databases = json!([{
            "name": "app", "connectionSecretRef": {"name": "db"}, "server": {"service": "db"},
            "checks": [{"name": "orders are there", "sql": "select count(*) = 1000 from orders"}],
        }]);
        json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name},
            "spec": {
                "platformRef": {"name": self.platform},
                "services": [{
                    "name": "db", "image": DATABASE_IMAGE, "runAsUser": 999, "command": ["sh", "-c"], "args": [SERVE],
                    "replicas": {"min": 1}, "minAvailable": 0,
                    "ports": [{"name": "postgres", "containerPort": 5432}],
                    "writablePaths": [{"path": "/tmp"}, {"path": "/data"}],
                    "secretRefs": [{"name": "db"}],
                    "probes": {"readiness": {"tcpSocket": {"port": "postgres"}, "periodSeconds": 1}},
                    "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
                }],
                "databases": if listed { databases } else { json!([]) },
            },
        })
    }

    /// How the Tenant's database is reached.
    #[must_use]
    pub fn connection(password: &str) -> Value {
        json!({
            "host": "db", "port": "5432", "dbname": "postgres", "user": "app", "password": password,
            "POSTGRES_PASSWORD": password,
        })
    }

    /// What fills it.
    pub const FILL: &str =
        "create table orders as select n as id, md5(n::text) as name from generate_series(1, 1000) n";
}

async fn pack(folder: &Path, archive: &Path) -> Result<()> {
    let (folder, archive) = (folder.to_owned(), archive.to_owned());
    let packed = tokio::task::spawn_blocking(move || {
        database_image(DATABASE_IMAGE, &postgres_programs()?, &folder, &archive).map(drop)
    });
    packed.await.map_err(|error| crate::error::Error::Invalid(error.to_string()))?
}

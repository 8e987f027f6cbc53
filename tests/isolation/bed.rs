//! A world whose operator proves isolation every few seconds.

use std::{ops::Deref, time::Duration};

use serde_json::{Value, json};
use tenantry_testbed::{OPERATOR_USER, Operator, OperatorOptions, Options, operator_groups, programs};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::support::{Kit, Outcome, World, at};

/// The operator talks to the API server itself: it is somebody else there while it tries.
struct Bed {
    world: World,
    _operator: Operator,
}

/// A test's turn.
pub struct Turn {
    kit: Kit,
    _turn: MutexGuard<'static, ()>,
}

impl Deref for Turn {
    type Target = Kit;
    fn deref(&self) -> &Kit {
        &self.kit
    }
}

impl Turn {
    /// The world, once it is this test's turn; `None` when the test must be skipped.
    pub async fn new() -> Outcome<Option<Self>> {
        static SHARED: OnceCell<Result<Bed, String>> = OnceCell::const_new();
        static TURN: Mutex<()> = Mutex::const_new(());
        if programs::skip() {
            return Ok(None);
        }
        let turn = TURN.lock().await;
        let bed = SHARED.get_or_init(|| async { start().await.map_err(|error| error.to_string()) });
        let bed = bed.await.as_ref().map_err(Clone::clone)?;
        Ok(Some(Self { kit: Kit::of(&bed.world), _turn: turn }))
    }

    /// Waits until everything about a Tenant is proven but the network, which nobody probes here.
    pub async fn proven(&self, tenant: &str) -> Outcome<Value> {
        let object = self
            .until(
                tenant,
                "Isolated",
                "Unknown",
                "NotProbed: policies, quota, roles and Pod Security level are in place; ",
            )
            .await?;
        let path = at("tenants", "", tenant);
        drop(object);
        self.object(&path, "proven", |one| one["status"]["proof"]["outcome"] == "True").await
    }
}

async fn start() -> Outcome<Bed> {
    let world = World::start(Options::default()).await?;
    let binary = world.cluster.run().folder("bin")?.join("tenantry");
    let options = OperatorOptions {
        binary,
        kubeconfig: world.cluster.kubeconfig_for(OPERATOR_USER, operator_groups())?,
        data_dir: world.cluster.run().folder("prover")?,
        args: ["--proof-interval", "3s", "--zone-loss-interval", "24h"].map(str::to_owned).into(),
        env: vec![("TENANTRY_LOG".into(), "tenantry=debug".into())],
    };
    let operator = Operator::start(world.cluster.run(), &options)?;
    operator.ready(Duration::from_secs(60)).await?;
    Ok(Bed { world, _operator: operator })
}

/// A member of a Tenant.
pub fn member(kind: &str, name: &str, role: &str) -> Value {
    json!({"kind": kind, "name": name, "role": role})
}

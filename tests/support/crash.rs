//! SIGKILL at random moments while specs change, and what is left of them afterwards.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::StreamExt;
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, PartialObjectMeta},
    runtime::watcher::{self, Event, watcher},
};
use serde_json::{Value, json};
use tenantry::{
    api::{Platform, Tenant, kinds::Kind},
    apply::order,
    desired,
    observe::watch::resource,
    validate::{self, ground::Inputs},
};
use tenantry_testbed::eventually;

use super::{
    Kit, Outcome, World, at,
    kit::service_with,
    objects::{name, text, uid},
    world::SYSTEM,
};

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    pub kills: usize,
    pub seconds: f64,
    /// Deletions that were seen, in all.
    pub deletions: usize,
    /// Objects that are wanted and not there.
    pub lost: Vec<String>,
    /// Objects that were deleted while they were wanted all the time.
    pub extra: Vec<String>,
    /// Objects with our marks that nobody wants.
    pub orphans: Vec<String>,
    /// Objects that the inventories don't have, or have and that are not there.
    pub unrecorded: Vec<String>,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        [&self.lost, &self.extra, &self.orphans, &self.unrecorded].into_iter().all(Vec::is_empty)
    }
}

/// What was asked for so far, and what happened to the objects.
#[derive(Default)]
struct Audit {
    /// Keys that each spec of a tenant wants, oldest first.
    wanted: HashMap<String, Vec<BTreeSet<String>>>,
    /// Number of specs when an object was first seen, by uid.
    born: HashMap<String, usize>,
    deletions: usize,
    extra: Vec<String>,
}

impl Audit {
    fn seen(&mut self, tenant: &str, uid: String) {
        let specs = self.wanted.get(tenant).map_or(0, Vec::len);
        self.born.entry(uid).or_insert(specs);
    }

    /// A deletion is right when one of the specs since just before its birth did not want the object.
    fn gone(&mut self, tenant: &str, key: &str, uid: &str) {
        if !self.wanted.contains_key(tenant) {
            return;
        }
        self.deletions += 1;
        let from = self.born.get(uid).map_or(0, |born| born.saturating_sub(2));
        let specs = self.wanted.get(tenant).map(Vec::as_slice).unwrap_or_default();
        if specs[from.min(specs.len())..].iter().all(|wanted| wanted.contains(key)) {
            self.extra.push(format!("{tenant}: {key} ({uid})"));
        }
    }
}

/// Numbers that look random and come again with the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

struct Crash {
    kit: Kit,
    tenants: Vec<String>,
    audit: Arc<Mutex<Audit>>,
    dice: Dice,
    watches: tokio::task::JoinSet<()>,
}

/// Kills the operator `kills` times. No other operator may run in this world, and none runs afterwards.
pub async fn run(world: &'static World, kills: usize, tenants: usize, seed: u64) -> Outcome<Report> {
    let start = Instant::now();
    let mut crash = Crash {
        kit: Kit::of(world),
        tenants: (0..tenants).map(|number| format!("crash-{number}")).collect(),
        audit: Arc::default(),
        dice: Dice(seed),
        watches: tokio::task::JoinSet::new(),
    };
    crash.watch();
    for tenant in crash.tenants.clone() {
        crash.change(&tenant).await?;
    }
    for _ in 0..kills {
        crash.round().await?;
    }
    let operator = world.new_operator("crash", &[])?;
    let mut report = crash.settled().await?;
    report.kills = kills;
    report.seconds = start.elapsed().as_secs_f64();
    drop(operator);
    free_lease(&crash.kit).await?;
    Ok(report)
}

impl Crash {
    fn audit(&self) -> MutexGuard<'_, Audit> {
        self.audit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts an operator, changes specs before or after it leads, and kills it.
    async fn round(&mut self) -> Outcome {
        let early = self.dice.roll(2) == 0;
        if early {
            self.change_some().await?;
        }
        let writes = self.writes();
        let operator = self.kit.world.new_operator("crash", &[])?;
        eventually(Duration::from_secs(60), "an operator that leads", || async {
            let lease = self.kit.get(&at("leases", SYSTEM, "tenantry")).await.map_err(|e| e.to_string())?;
            let holder = lease.as_ref().map(|lease| text(lease, "/spec/holderIdentity").to_owned());
            holder.filter(|holder| !holder.is_empty()).map(drop).ok_or_else(|| "nobody leads".to_owned())
        })
        .await?;
        if !early {
            self.change_some().await?;
        }
        let moment = self.dice.roll(60);
        self.progress(writes, moment).await;
        operator.kill();
        drop(operator);
        // It is dead: nobody has to wait for its Lease to run out.
        free_lease(&self.kit).await
    }

    /// Writes of operators so far, but for the Lease.
    fn writes(&self) -> u64 {
        let requests = self.kit.world.proxy.requests();
        let counts = |verb: &str| matches!(verb, "apply" | "patch" | "update" | "create" | "delete");
        let writes = requests.iter().filter(|(kind, _)| counts(&kind.verb) && kind.resource != "leases");
        writes.map(|(_, count)| count).sum()
    }

    /// Waits until this many writes have come, or until no more come: the speed of a machine must not decide
    /// in what an operator is killed.
    async fn progress(&self, from: u64, writes: u64) {
        let (mut last, mut since) = (self.writes(), Instant::now());
        while last - from < writes && since.elapsed() < Duration::from_secs(1) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = self.writes();
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
    }

    async fn change_some(&mut self) -> Outcome {
        for _ in 0..=self.dice.roll(2) {
            let index = self.dice.roll(self.tenants.len() as u64) as usize;
            let tenant = self.tenants[index].clone();
            self.change(&tenant).await?;
        }
        Ok(())
    }

    /// Gives a tenant other services and members; the steady ones stay.
    async fn change(&mut self, tenant: &str) -> Outcome {
        let mut services = vec![service_with("steady", &json!({"config": {"LEVEL": "info"}}))];
        for name in ["ant", "bee", "cat", "dog"] {
            if self.dice.roll(2) == 0 {
                let level = self.dice.roll(2).to_string();
                let replicas = json!({"min": 1, "max": 1 + self.dice.roll(2)});
                let resources = json!({"requests": {"cpu": "10m"}});
                let changes =
                    json!({"config": {"LEVEL": level}, "replicas": replicas, "resources": resources});
                services.push(service_with(name, &changes));
            }
        }
        let members = match self.dice.roll(2) {
            0 => json!([{"kind": "Group", "name": "crew", "role": "Viewer"}]),
            _ => json!([]),
        };
        let spec = json!({"services": services, "members": members});
        let wanted = wanted(&self.kit.platform, tenant, &spec)?;
        // Before it is asked for: nothing that follows from it can come earlier.
        self.audit().wanted.entry(tenant.to_owned()).or_default().push(wanted);
        self.kit.tenant(tenant, spec).await?;
        Ok(())
    }

    /// Watches every child of every tenant.
    fn watch(&mut self) {
        for kind in Kind::ALL {
            let api: Api<PartialObjectMeta<DynamicObject>> =
                Api::all_with(self.kit.client.clone(), &resource(kind));
            let audit = Arc::clone(&self.audit);
            self.watches.spawn(async move {
                let ours = watcher::Config::default().labels("app.kubernetes.io/managed-by=tenantry");
                let mut events = watcher(api, ours).boxed();
                while let Some(event) = events.next().await {
                    let mut audit = audit.lock().unwrap_or_else(PoisonError::into_inner);
                    let tenant = |one: &PartialObjectMeta<DynamicObject>| {
                        one.labels().get("tenantry.dev/tenant").cloned().unwrap_or_default()
                    };
                    match event {
                        Ok(Event::Apply(one) | Event::InitApply(one)) => {
                            audit.seen(&tenant(&one), one.uid().unwrap_or_default());
                        }
                        Ok(Event::Delete(one)) => {
                            let key = format!("{}/{}", kind.info().plural, one.name_any());
                            audit.gone(&tenant(&one), &key, &one.uid().unwrap_or_default());
                        }
                        _ => {}
                    }
                }
            });
        }
    }

    /// Waits until every tenant is as its spec says, and counts what isn't.
    async fn settled(&mut self) -> Outcome<Report> {
        let mut report = Report::default();
        for tenant in &self.tenants {
            // A Tenant that does not get there is reported by what it lacks.
            let ready = self.kit.ready(tenant).await;
            let tenant_now = self.kit.the(&at("tenants", "", tenant)).await?;
            let live = self.live(tenant).await?;
            let wanted = self.audit().wanted[tenant].last().cloned().unwrap_or_default();
            let keys: BTreeSet<String> = live.keys().cloned().collect();
            let named = |key: &String| format!("{tenant}: {key}");
            report.lost.extend(wanted.difference(&keys).map(named));
            report.orphans.extend(keys.difference(&wanted).map(named));
            let recorded: BTreeSet<String> = tenant_now["status"]["inventory"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|entry| text(entry, "/uid").to_owned())
                .collect();
            let uids: BTreeSet<String> = live.into_values().collect();
            report.unrecorded.extend(recorded.symmetric_difference(&uids).map(named));
            if let Err(error) = ready {
                report.lost.push(format!("{tenant}: {error}"));
            }
        }
        let audit = self.audit();
        report.deletions = audit.deletions;
        report.extra.clone_from(&audit.extra);
        Ok(report)
    }

    /// uids of everything with our marks, by key.
    async fn live(&self, tenant: &str) -> Outcome<BTreeMap<String, String>> {
        let children = self.kit.children(tenant).await?;
        let mut live: BTreeMap<String, String> =
            children.into_iter().map(|(key, (uid, _))| (key, uid)).collect();
        let namespace = self.kit.the(&at("namespaces", "", tenant)).await?;
        live.insert(format!("namespaces/{}", name(&namespace)), uid(&namespace).to_owned());
        Ok(live)
    }
}

/// What a spec asks for, by the product's own pure rooms.
fn wanted(platform: &str, tenant: &str, spec: &Value) -> Outcome<BTreeSet<String>> {
    let platform: Platform = serde_json::from_value(super::world::platform(platform))?;
    let rules = validate::platform::validate(&platform).map_err(|problems| format!("{problems:?}"))?;
    let mut spec = spec.clone();
    spec["platformRef"] = json!({"name": rules.name});
    let tenant: Tenant = serde_json::from_value(json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": tenant}, "spec": spec,
    }))?;
    let tenant = validate::tenant::validate(&tenant, &rules).map_err(|problems| format!("{problems:?}"))?;
    let inputs = Inputs::default();
    let plan = desired::Plan { tenant: &tenant, platform: &rules, inputs: &inputs };
    let manifests = order::list(desired::objects(plan)).manifests;
    Ok(manifests.iter().map(|one| format!("{}/{}", one.id.kind.info().plural, one.id.name)).collect())
}

async fn free_lease(kit: &Kit) -> Outcome {
    let path = at("leases", SYSTEM, "tenantry");
    if kit.get(&path).await?.is_some() {
        kit.delete(&path).await?;
    }
    Ok(())
}

//! Generated Tenants in two versions, each under rules of its own, as files and as objects.

use proptest::{
    prelude::{ProptestConfig, Strategy, any},
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::{
    generate::{Case, case},
    repo::{Change, put},
    support::Outcome,
};

/// The two Secrets that generated Platforms copy.
pub const PULL_SECRETS: [&str; 2] = ["seen-pull-a", "seen-pull-b"];

/// A Tenant and its Platform in two versions.
#[derive(Clone, Debug)]
pub struct Pair {
    pub tenant: String,
    pub platform: String,
    /// Before, unless it is new; and after.
    pub specs: [Option<Value>; 2],
    /// The Platform's spec, before and after.
    pub rules: [Value; 2],
}

/// So many pairs that a seed gives. `TENANTRY_SEED` gives the same ones again.
pub fn pairs(count: usize) -> Outcome<(u64, Vec<Pair>)> {
    let seed = match std::env::var("TENANTRY_SEED") {
        Ok(text) => text.parse()?,
        Err(_) => std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0),
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let strategy = (case("x"), case("x"), any::<u64>());
    let mut pairs = Vec::new();
    for index in 0..count {
        let (before, after, dice) = strategy.new_tree(&mut runner).map_err(|why| why.to_string())?.current();
        pairs.push(pair(index, &before, &after, dice));
    }
    Ok((seed, pairs))
}

fn pair(index: usize, before: &Case, after: &Case, dice: u64) -> Pair {
    let (tenant, platform) = (format!("seen-{index:02}"), format!("seen-rules-{index:02}"));
    let die = |sides: u64, shift: u32| (dice >> shift) % sides;
    let mut old = spec(before, &platform, die(8, 0) == 0);
    // The first version has to be there: a Tenant that is cancelled from the start never is.
    if old["lifecycle"] == "Cancelled" {
        old["lifecycle"] = json!("Active");
    }
    let mut new = spec(after, &platform, die(8, 8) == 0);
    // Nor can a plan know from files whether one that was only looked at has anything to cancel.
    if old["mode"] == "Observe" && new["lifecycle"] == "Cancelled" {
        new["lifecycle"] = json!("Suspended");
    }
    volumes(&mut old, &mut new, die(4, 48) == 0);
    // A Platform that changes, or only the Tenant.
    let first = rules(before, die(3, 16));
    let second = if die(3, 24) == 0 { first.clone() } else { rules(after, die(3, 32)) };
    let is_new = die(6, 40) == 0;
    Pair { tenant, platform, specs: [(!is_new).then_some(old), Some(new)], rules: [first, second] }
}

/// What a service keeps can't change. There are no volumes in this cluster: a service that asks for any never has pods,
/// and so only Tenants that sleep have such services.
fn volumes(old: &mut Value, new: &mut Value, keep: bool) {
    let services = |spec: &Value| spec["services"].as_array().cloned().unwrap_or_default();
    let before = services(old);
    let of = |name: &Value| before.iter().find(|one| one["name"] == *name).map(|one| one["storage"].clone());
    for spec in [&mut *old, &mut *new] {
        for service in spec.pointer_mut("/services").and_then(Value::as_array_mut).into_iter().flatten() {
            let kept = of(&service["name"]).unwrap_or_else(|| service["storage"].clone());
            service["storage"] = if keep && kept.is_array() { kept } else { json!([]) };
        }
        let is_stateful = services(spec).iter().any(|one| one["storage"] != json!([]));
        if is_stateful && spec["lifecycle"] == "Active" {
            spec["lifecycle"] = json!("Suspended");
        }
    }
}

/// A Tenant that pods of which come up quickly, and texts that any file may hold.
fn spec(case: &Case, platform: &str, observes: bool) -> Value {
    let mut spec = serde_json::to_value(&case.tenant.spec).expect("a spec is JSON");
    spec["platformRef"] = json!({"name": platform});
    spec["mode"] = json!(if observes { "Observe" } else { "Enforce" });
    for service in spec.pointer_mut("/services").and_then(Value::as_array_mut).into_iter().flatten() {
        let min = service["replicas"]["min"].as_i64().unwrap_or(1).min(2);
        service["replicas"]["min"] = json!(min);
        if let Some(max) = service["replicas"]["max"].as_i64() {
            service["replicas"]["max"] = json!(max.clamp(min, min + 1));
        }
        for value in service
            .pointer_mut("/config")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flatten()
            .map(|(_, value)| value)
        {
            let plain: String =
                value.as_str().unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect();
            *value = json!(plain);
        }
    }
    spec
}

/// The rules, on the nodes that there are; with no pull Secret, or one of two.
fn rules(case: &Case, pull: u64) -> Value {
    let mut rules = serde_json::to_value(&case.platform.spec).expect("a spec is JSON");
    let map = rules.as_object_mut().expect("a spec is a map");
    map.remove("topology");
    map.insert("environment".into(), json!("test"));
    let secret = usize::try_from(pull).ok().and_then(|pull| PULL_SECRETS.get(pull));
    let refs: Vec<Value> = secret.iter().map(|name| json!({"name": name})).collect();
    map.insert("images".into(), json!({"pullSecretRefs": refs}));
    rules
}

impl Pair {
    /// The Tenant's object in a version.
    pub fn tenant(&self, version: usize) -> Option<Value> {
        let spec = self.specs[version].as_ref()?;
        Some(object("Tenant", &self.tenant, spec))
    }

    /// The Platform's.
    pub fn platform(&self, version: usize) -> Value {
        object("Platform", &self.platform, &self.rules[version])
    }

    /// Both as files.
    pub fn files(&self, version: usize) -> Vec<Change> {
        let mut files =
            vec![put(format!("platforms/{}.yaml", self.platform), self.platform(version).to_string())];
        let tenant = self.tenant(version);
        files.extend(tenant.map(|tenant| put(format!("tenants/{}.yaml", self.tenant), tenant.to_string())));
        files
    }
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

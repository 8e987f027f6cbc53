use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::{
    api::brake::{Brake, EffectKind},
    apply::plan::written,
    observe::live::Live,
    plan::{
        Change, Effect, Plan, Planned, PlatformPlan, Verb,
        report::{Report, Standing},
    },
    validate::{ground::NamespaceFacts, offline::Review},
};

const INSTALL: &str = "install-1";

fn ruler(spec: Value) -> Ruler {
    let platform = Platform::new("shop", serde_json::from_value(spec).expect("a Platform's spec"));
    let rules = platform::validate(&platform).expect("it is valid");
    Ruler { platform, rules }
}

fn tenant(changes: &Value) -> Tenant {
    let mut spec = json!({
        "platformRef": {"name": "shop"},
        "services": [{"name": "web", "image": "registry.example.com/web:1", "replicas": {"min": 2}}],
    });
    overlay(&mut spec, changes);
    serde_json::from_value(json!({
        "apiVersion": marks::API_VERSION, "kind": "Tenant", "metadata": {"name": "acme", "uid": "t1"}, "spec": spec,
    }))
    .expect("a Tenant")
}

/// As files have it.
fn checked(tenant: &Tenant, ruler: &Ruler) -> ValidatedTenant {
    let checked = rules::validate(tenant, &ruler.rules).expect("it is valid");
    ValidatedTenant { uid: PLACEHOLDER.to_owned(), ..checked }
}

fn overlay(whole: &mut Value, changes: &Value) {
    match changes {
        Value::Object(changes) => {
            changes.iter().for_each(|(key, value)| overlay(&mut whole[key.as_str()], value))
        }
        other => *whole = other.clone(),
    }
}

/// A cluster in which the operator has applied a Tenant.
struct There {
    tenant: Tenant,
    ruler: Ruler,
    inputs: Inputs,
    objects: BTreeMap<ObjectId, Value>,
}

impl There {
    fn new(mut tenant: Tenant, ruler: Ruler) -> Self {
        let facts = NamespaceFacts {
            uid: "u0".into(),
            tenant: Some("acme".into()),
            install_id: Some(INSTALL.into()),
            terminating: false,
        };
        let inputs = Inputs { namespace: Some(facts), install_id: INSTALL.into(), ..Inputs::default() };
        let known = rules::validate(&tenant, &ruler.rules).expect("it is valid");
        let mut objects = BTreeMap::new();
        let mut inventory = Vec::new();
        for (index, manifest) in build(&known, &ruler, &inputs).manifests.iter().enumerate() {
            let mut object = manifest.body.clone();
            object["metadata"]["uid"] = json!(format!("u{index}"));
            object["metadata"]["managedFields"] = json!([
                {"manager": "tenantry", "operation": "Apply", "fieldsV1": {"f:spec": {}}},
            ]);
            if manifest.id.kind == Kind::Deployment {
                object["spec"]["replicas"] = json!(2);
            }
            let meta = serde_json::from_value(object["metadata"].clone()).expect("metadata");
            inventory.push(written(manifest, &Live::read(manifest.id.kind, &meta)));
            objects.insert(manifest.id.clone(), object);
        }
        objects.retain(|id, _| id.kind != Kind::Secret);
        tenant.status.get_or_insert_default().inventory = inventory;
        Self { tenant, ruler, inputs, objects }
    }

    fn deployment(&mut self) -> &mut Value {
        let found = self.objects.iter_mut().find(|(id, _)| id.kind == Kind::Deployment);
        found.expect("a Deployment").1
    }

    /// Somebody sets an image.
    fn drift(&mut self) {
        let deployment = self.deployment();
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!("evil:canary");
        deployment["metadata"]["managedFields"] = json!([
            {"manager": "tenantry", "operation": "Apply", "fieldsV1": {"f:other": {}}},
            {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:template": {"f:spec": {
                "f:containers": {"k:{\"name\":\"app\"}": {"f:image": {}}}}}}}},
        ]);
    }

    /// What is said when HEAD has this Tenant under these rules; who refuses a kind refuses it by these words.
    fn ask(&self, head: &Tenant, after: &Ruler, refuses: Option<(Kind, &str)>) -> TenantThere {
        let (base, wanted_) = (checked(&self.tenant, &self.ruler), checked(head, after));
        let asked = Asked {
            base: Some((&base, &self.ruler)),
            head: (&wanted_, after),
            tenant: Some(&self.tenant),
            platform: Some(&self.ruler.platform),
            inputs: &self.inputs,
            paused: None,
        };
        let wanted = match wanted(&asked) {
            Ok(wanted) => wanted,
            Err(there) => return there,
        };
        assert!(wanted.ids().iter().any(|id| id.kind == Kind::Deployment));
        let trials = wanted.trials(self.objects.clone());
        assert!(trials.sends().iter().all(|one| one.id.kind != Kind::Secret));
        let answers: Vec<Result<Value, String>> =
            trials.sends().iter().map(|manifest| self.answer(manifest, refuses)).collect();
        trials.told(&answers)
    }

    /// What an API server makes of a dry run, for a Tenant whose lists keep their length.
    fn answer(&self, manifest: &Manifest, refuses: Option<(Kind, &str)>) -> Result<Value, String> {
        if let Some((_, words)) = refuses.filter(|(kind, _)| *kind == manifest.id.kind) {
            return Err(words.to_owned());
        }
        let mut object = self.objects.get(&manifest.id).cloned().unwrap_or_default();
        overlay(&mut object, &manifest.body);
        Ok(object)
    }
}

fn there() -> There {
    There::new(tenant(&json!({})), ruler(json!({})))
}

fn newer() -> Tenant {
    let mut newer = tenant(&json!({}));
    newer.spec.services[0].image = "registry.example.com/web:2".into();
    newer
}

fn ids(there: &TenantThere) -> Vec<String> {
    there.objects.iter().map(|one| format!("{:?} {}", one.verb, one.id())).collect()
}

#[test]
fn what_nobody_touched_is_as_planned() {
    let there = there();
    let same = there.ask(&there.tenant, &there.ruler, None);
    assert_eq!(same, TenantThere { name: "acme".into(), ..TenantThere::default() });
    let changed = there.ask(&newer(), &there.ruler, None);
    assert_eq!(ids(&changed), ["Change Deployment acme/web"]);
    assert!(
        changed.drift.is_empty() && changed.refused.is_empty() && changed.notes.is_empty(),
        "{changed:?}"
    );
    let fields: Vec<&str> = changed.objects[0].fields.iter().map(|field| field.path.as_str()).collect();
    assert!(fields.iter().any(|path| path.ends_with("image")), "{fields:?}");
    let to: Tenant = tenant(&json!({"lifecycle": "Cancelled"}));
    let cancelled = there.ask(&to, &there.ruler, None);
    assert!(ids(&cancelled).contains(&"Delete Deployment acme/web".to_owned()), "{cancelled:?}");
    assert!(cancelled.objects.iter().all(|one| one.kind != "Namespace"), "it holds data");
}

#[test]
fn drift_is_told_apart_and_without_a_value() {
    let mut there = there();
    there.drift();
    let same = there.ask(&there.tenant, &there.ruler, None);
    assert!(same.objects.is_empty(), "{same:?}");
    assert_eq!(same.drift[0].object.id(), "Deployment acme/web");
    assert!(same.drift[0].by.iter().any(|by| by.starts_with("kubectl-edit changed ")), "{same:?}");
    let both = there.ask(&newer(), &there.ruler, None);
    assert_eq!((ids(&both), both.drift.len()), (vec!["Change Deployment acme/web".to_owned()], 1));
    let image =
        both.objects[0].fields.iter().find(|field| field.path.ends_with("image")).expect("it changes");
    assert_eq!(
        image.old,
        Some(json!("registry.example.com/web:1")),
        "what the commit changes, not what eve did"
    );
    for told in [&same, &both] {
        let said = format!("{:?} {:?}", told, words::lines(told, None));
        assert!(!said.contains("canary"), "{said}");
    }
}

#[test]
fn somebody_who_scales_is_drift_and_a_new_number_is_not() {
    let mut there = there();
    there.deployment()["spec"]["replicas"] = json!(5);
    let same = there.ask(&there.tenant, &there.ruler, None);
    assert!(same.scales.is_empty() && same.drift.len() == 1, "{same:?}");
    assert_eq!(same.drift[0].by, ["somebody scaled it"]);
    let mut more = there.tenant.clone();
    more.spec.services[0].replicas.min = 3;
    let told = there.ask(&more, &there.ruler, None);
    assert_eq!((told.scales.len(), told.drift.len()), (1, 0), "{told:?}");
    assert_eq!((told.scales[0].from.as_str(), told.scales[0].to.as_str()), ("5", "3"));
}

#[test]
fn what_is_refused_names_the_object_and_who() {
    let there = there();
    let told = there.ask(&newer(), &there.ruler, Some((Kind::Deployment, "forbidden: by a guard")));
    assert_eq!(
        told.refused,
        [Refusal { object: "Deployment acme/web".into(), message: "forbidden: by a guard".into() }]
    );
    assert!(told.objects.is_empty(), "{told:?}");
    let webhook = "refused: admission webhook \"x\" does not support dry run";
    let told = there.ask(&newer(), &there.ruler, Some((Kind::Deployment, webhook)));
    assert!(told.refused.is_empty() && told.untried.len() == 1, "{told:?}");
    assert_eq!(ids(&told), ["Change Deployment acme/web"]);
}

#[test]
fn only_what_is_recorded_and_still_the_same_goes() {
    let mut there = there();
    let cancelled = tenant(&json!({"lifecycle": "Cancelled"}));
    there.deployment()["metadata"]["uid"] = json!("another");
    let told = there.ask(&cancelled, &there.ruler, None);
    assert!(!ids(&told).contains(&"Delete Deployment acme/web".to_owned()), "another has its name: {told:?}");
    assert!(ids(&told).contains(&"Delete ServiceAccount acme/web".to_owned()), "{told:?}");
}

#[test]
fn somebody_elses_object_is_in_the_way() {
    let mut there = there();
    let account = there.objects.iter_mut().find(|(id, _)| id.kind == Kind::ServiceAccount).expect("one");
    let id = account.0.clone();
    *account.1 = json!({"metadata": {"name": "web", "namespace": "acme", "uid": "foreign"}});
    there.tenant.status.get_or_insert_default().inventory.retain(|entry| entry.kind != "ServiceAccount");
    let told = there.ask(&newer(), &there.ruler, None);
    assert_eq!(told.refused[0].object, id.to_string());
    assert!(told.refused[0].message.contains("not ours"), "{told:?}");
}

#[test]
fn in_a_new_namespace_nothing_can_be_tried() {
    let there = There { inputs: Inputs { install_id: INSTALL.into(), ..Inputs::default() }, ..there() };
    let head = checked(&there.tenant, &there.ruler);
    let asked = Asked {
        base: None,
        head: (&head, &there.ruler),
        tenant: None,
        platform: None,
        inputs: &there.inputs,
        paused: Some("2026-01-01T00:00:00Z"),
    };
    let wanted = wanted(&asked).expect("it may begin");
    let only: Vec<String> = wanted.ids().iter().map(ToString::to_string).collect();
    assert_eq!(only, ["Namespace acme"]);
    let trials = wanted.trials(BTreeMap::new());
    assert_eq!(trials.sends().len(), 1);
    let told = trials.told(&[Ok(json!({}))]);
    assert!(told.objects.len() > 5 && told.objects.iter().all(|one| one.verb == Verb::Create), "{told:?}");
    assert_eq!(told.untried.len(), 1);
    assert_eq!(told.untried[0].objects.len(), told.objects.len() - 1);
    assert!(told.notes[0].contains("paused-until: nothing of this is written before 2026-01-01"), "{told:?}");
}

#[test]
fn no_secret_is_read_or_sent() {
    let before = ruler(json!({"images": {"pullSecretRefs": [{"name": "one"}]}}));
    let after = ruler(json!({"images": {"pullSecretRefs": [{"name": "two"}]}}));
    let there = There::new(tenant(&json!({})), before);
    let same = there.ask(&there.tenant, &there.ruler, None);
    assert_eq!(same, TenantThere { name: "acme".into(), ..TenantThere::default() });
    let told = there.ask(&there.tenant, &after, None);
    assert_eq!(ids(&told), ["Change Secret acme/tenantry-pull"]);
    assert!(told.untried.len() == 1 && told.drift.is_empty(), "{told:?}");
    assert!(told.objects[0].fields.iter().all(|field| field.hidden), "{told:?}");
}

#[test]
fn another_door_is_not_opened() {
    let mut there = there();
    let source = json!({"git": {"url": "https://git.example.com/config.git"}});
    there.ruler.platform.spec.source = Some(serde_json::from_value(source).expect("a source"));
    let told = there.ask(&newer(), &there.ruler, None);
    assert!(told.refused[0].message.starts_with("OwnedElsewhere: it belongs to kubectl already"), "{told:?}");
    let annotations = there.tenant.metadata.annotations.get_or_insert_default();
    annotations.insert(marks::SOURCE.into(), "shop/tenants/acme.yaml".into());
    assert!(there.ask(&newer(), &there.ruler, None).refused.is_empty());
}

#[test]
fn what_base_does_not_know_is_said() {
    let there = there();
    let (base, head) = (checked(&newer(), &there.ruler), checked(&newer(), &there.ruler));
    let asked = Asked {
        base: Some((&base, &there.ruler)),
        head: (&head, &there.ruler),
        tenant: Some(&there.tenant),
        platform: Some(&there.ruler.platform),
        inputs: &there.inputs,
        paused: None,
    };
    let told = wanted(&asked).expect("it may begin").there;
    assert!(told.notes[0].starts_with("the cluster's Tenant is not as BASE has it"), "{told:?}");
    let other = ruler(json!({"limits": {"replicas": 3}}));
    assert_eq!(platform_note(&there.ruler, Some(&there.ruler.platform)), None);
    assert!(
        platform_note(&there.ruler, Some(&other.platform))
            .is_some_and(|note| note.contains("not those of BASE"))
    );
    assert!(platform_note(&there.ruler, None).is_some_and(|note| note.contains("none of that name")));
}

#[test]
fn the_clusters_own_brake_judges() {
    let platform = PlatformPlan { name: "shop".into(), tenants: 9, fields: Vec::new() };
    let effect = Effect { kind: EffectKind::ServiceRemoved, tenant: "acme".into(), detail: "web".into() };
    let mut acme = crate::plan::tenant::untouched("acme", Change::Changed);
    acme.platform = "shop".into();
    acme.effects = vec![effect];
    let plan = Plan { platforms: vec![platform], tenants: vec![acme], ..Plan::default() };
    let planned = Planned { plan, base: Review::default(), head: Review::default() };
    let mut report = Report::new("b".into(), "h".into(), planned, None);
    assert!(report.verdicts[0].assumed && report.standing() == Standing::Clean);
    let brake = Brake { max_effects: 0, ..Brake::default() };
    let brakes = [("shop".to_owned(), brake)].into();
    report.held_against(ClusterPlan { brakes, ..ClusterPlan::default() });
    assert!(!report.verdicts[0].assumed && report.standing() == Standing::Held);
    let refusal = Refusal { object: "Tenant acme".into(), message: "no".into() };
    let there = TenantThere { name: "acme".into(), refused: vec![refusal], ..TenantThere::default() };
    report.held_against(ClusterPlan { tenants: vec![there], ..ClusterPlan::default() });
    assert_eq!(report.standing(), Standing::Findings);
}

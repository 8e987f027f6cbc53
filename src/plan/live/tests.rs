use kube::CustomResourceExt;

use super::*;
use crate::{
    api::brake::EffectKind,
    plan::types::Effect,
    validate::{cross::through_door, manifest::read, set::set},
};

const SOURCE: &str = r#"{"git": {"url": "https://git.example.com/config.git"}}"#;

fn schemas() -> Schemas {
    let json = |crd| serde_json::to_value(crd).expect("a CRD is JSON");
    Schemas::new(&json(Tenant::crd()), &json(Platform::crd()))
}

fn text(name: &str, tag: &str, extra: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {{name: {name}}}\nspec:\n  platformRef: {{name: prod}}\n{extra}  services:\n  - {{name: web, image: \"registry.example.com/web:{tag}\"}}\n"
    )
}

/// What files declare: one a Tenant, by name, and perhaps the Platform's rules.
fn files(tenants: &[String], rules: Option<&str>) -> Set {
    let one = |(index, text): (usize, &String)| read(&format!("{index}.yaml"), text.as_bytes(), &schemas());
    let mut all: Vec<_> = tenants.iter().enumerate().map(one).collect();
    all.extend(rules.map(|rules| {
        let text = format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Platform\nmetadata: {{name: prod}}\nspec: {rules}\n"
        );
        let mut found = read("platform.yaml", text.as_bytes(), &schemas());
        through_door(&mut found, true);
        found
    }));
    set(all)
}

/// Tenants as Git once wrote them.
fn standing(tenants: &[String]) -> Vec<Arc<Tenant>> {
    let one = |manifest: &Arc<crate::validate::manifest::Manifest>| {
        let mut tenant: Tenant = manifest.value.typed().expect("it is valid");
        tenant.metadata.uid = Some("real".into());
        Arc::new(tenant)
    };
    files(tenants, None).tenants.iter().map(one).collect()
}

/// The effects of a head, where these Tenants stand and those files were accepted.
fn effects(live: &[String], accepted: Option<Set>, head: Set) -> Vec<(EffectKind, String)> {
    let spec = format!("{{\"source\": {SOURCE}, \"limits\": {{\"replicas\": 5}}}}");
    let platform = Platform::new("prod", serde_json::from_str(&spec).expect("it is valid"));
    let rules = platform::validate(&platform).expect("it is valid");
    let tenants = standing(live);
    let owner = |tenant: &Arc<Tenant>| {
        let name = tenant.metadata.name.clone().unwrap_or_default();
        // One that belongs to kubectl.
        let source = (name != "hand").then(|| "prod/x.yaml".to_owned());
        (name, Owner { source, namespace: tenant.namespace().to_owned() })
    };
    let owners = tenants.iter().map(owner).collect();
    let standing =
        Standing { platform: &platform, rules: &rules, tenants: &tenants, owners: &owners, accepted };
    let effects = plan(&standing, head, &schemas()).effects("prod");
    effects.into_iter().map(|Effect { kind, tenant, .. }| (kind, tenant)).collect()
}

fn touched(tenant: &str, kinds: &[EffectKind]) -> Vec<(EffectKind, String)> {
    kinds.iter().map(|kind| (*kind, tenant.to_owned())).collect()
}

use EffectKind::{LimitLowered, ServiceRestarted, TenantSuspended, TenantTouched};

#[test]
fn what_a_head_does_to_what_runs_is_counted_and_new_tenants_are_not() {
    let [a, b] = ["a", "b"].map(|name| text(name, "1", ""));
    let head = [a.clone(), text("b", "2", ""), text("new", "1", ""), text("hand", "2", "")];
    let live = [a, b, text("hand", "1", "")];
    assert_eq!(effects(&live, None, files(&head, None)), touched("b", &[ServiceRestarted, TenantTouched]));
    let asleep = [text("a", "1", "  lifecycle: Suspended\n"), text("b", "1", "")];
    assert_eq!(effects(&live, None, files(&asleep, None)), touched("a", &[TenantSuspended, TenantTouched]));
    assert_eq!(effects(&live, None, files(&[], None)), [], "absence is no instruction");
    assert_eq!(effects(&[], None, files(&head, None)), [], "all of it is new");
}

/// What the accepted files say is on its way already, and what somebody changed is healed anyway.
#[test]
fn what_was_accepted_before_is_not_this_heads_doing() {
    let live = [text("a", "0", ""), text("b", "0", ""), text("c", "1", "")];
    let accepted = ["a", "b", "c"].map(|name| text(name, "1", ""));
    let mut head = accepted.clone();
    head[2] = text("c", "2", "");
    let accepted = files(&accepted, None);
    assert_eq!(
        effects(&live, Some(accepted), files(&head, None)),
        touched("c", &[ServiceRestarted, TenantTouched])
    );
    let every = effects(&live, None, files(&head, None));
    assert_eq!(
        every.iter().filter(|(kind, _)| *kind == TenantTouched).count(),
        3,
        "nobody knows what was accepted"
    );
}

#[test]
fn what_will_be_refused_has_no_effect() {
    let live = ["a", "b", "c"].map(|name| text(name, "1", ""));
    let moved = text("a", "2", "  namespace: elsewhere\n");
    let much = text("b", "2", "").replace("2\"}", "2\", replicas: {min: 9}}");
    let foreign = text("c", "2", "").replace("name: prod", "name: other");
    assert_eq!(effects(&live, None, files(&[moved, much, foreign], None)), []);
}

#[test]
fn rules_that_a_head_changes_touch_every_tenant_that_lives_under_them() {
    let live = ["a", "b", "hand"].map(|name| text(name, "1", ""));
    let same = |rules: &str| files(&live[..2], Some(rules));
    let (old, new) = ("{limits: {replicas: 5}}", "{limits: {replicas: 5}, defaults: {quota: {pods: 50}}}");
    let all: Vec<_> =
        ["a", "b", "hand"].iter().flat_map(|name| touched(name, &[LimitLowered, TenantTouched])).collect();
    let sorted = |mut effects: Vec<(EffectKind, String)>| {
        effects.sort();
        effects
    };
    assert_eq!(sorted(effects(&live, Some(same(old)), same(new))), sorted(all.clone()));
    assert_eq!(sorted(effects(&live, None, same(new))), sorted(all));
    assert_eq!(effects(&live, Some(same(new)), same(new)), [], "they are on their way already");
    // A limit that the Tenants exceed: they keep what they have.
    assert_eq!(effects(&live, Some(same(old)), same("{limits: {replicas: 1}}")), []);
}

/// Who looks at the plan of a pull request acknowledges what the operator then finds.
#[test]
fn offline_and_in_the_cluster_the_same_effects_are_counted() {
    let base =
        ["a", "b", "c"].map(|name| text(name, "1", "  members: [{kind: User, name: ann, role: Editor}]\n"));
    let head = [
        text("a", "2", ""),
        text("b", "1", "  lifecycle: Suspended\n"),
        text("c", "1", "  quota: {hard: {pods: 9}}\n"),
        text("new", "1", ""),
    ];
    let rules = "{limits: {replicas: 5}}";
    let revision = |tenants: &[String]| {
        let one =
            |(index, text): (usize, &String)| read(&format!("{index}.yaml"), text.as_bytes(), &schemas());
        let platform = format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Platform\nmetadata: {{name: prod}}\nspec: {rules}\n"
        );
        let mut files: Vec<_> = tenants.iter().enumerate().map(one).collect();
        files.push(read("platform.yaml", platform.as_bytes(), &schemas()));
        crate::plan::Revision { files, findings: Vec::new() }
    };
    let doors = crate::plan::Doors { strict: true, git_platforms: false };
    let offline = crate::plan::plan(revision(&base), revision(&head), &schemas(), doors).plan;
    let offline: Vec<_> = offline.effects("prod").into_iter().map(|one| (one.kind, one.tenant)).collect();
    assert_eq!(offline.len(), 9, "{offline:?}");
    assert_eq!(effects(&base, None, files(&head, None)), offline);
    assert_eq!(effects(&base, Some(files(&base, None)), files(&head, None)), offline);
}

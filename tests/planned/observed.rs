//! The plan is what apply then does: for generated Tenants, the list that `tenantry plan` prints equals the writes that
//! the API server is sent, object by object, each once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tenantry::api::kinds::{Kind, KindInfo};
use tenantry_testbed::eventually;

use crate::{
    pairs::{PULL_SECRETS, Pair, pairs},
    plan, plan_there, planner,
    repo::Repo,
    support::{
        Kit, Outcome, at,
        kit::SOON,
        objects::{condition, text},
        world::SYSTEM,
    },
};

/// Tenants at once. Each has about twenty children.
const CASES: usize = 20;

/// `Create Deployment seen-00/web`, by Tenant, sorted.
type Lists = BTreeMap<String, Vec<String>>;

/// What a plan lists; `there` for what it says of the cluster.
fn planned(plan: &Value, there: bool) -> Lists {
    let whole = if there { &plan["cluster"]["tenants"] } else { &plan["plan"]["tenants"] };
    let line = |one: &Value| {
        let (verb, kind, name) = (text(one, "/verb"), text(one, "/kind"), text(one, "/name"));
        match text(one, "/namespace") {
            "" => format!("{verb} {kind} {name}"),
            namespace => format!("{verb} {kind} {namespace}/{name}"),
        }
    };
    let tenant = |one: &Value| {
        let mut lines: Vec<String> = one["objects"].as_array().into_iter().flatten().map(line).collect();
        lines.sort();
        (text(one, "/name").to_owned(), lines)
    };
    whole.as_array().into_iter().flatten().map(tenant).filter(|(_, lines)| !lines.is_empty()).collect()
}

/// Which object a request is about: its Tenant, and `Deployment seen-00/web`. `None` for subresources and for what is
/// no child of these Tenants.
fn target(path: &str) -> Option<(String, String)> {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let (namespace, plural, name) = match rest {
        ["namespaces", name] => ("", "namespaces", *name),
        ["namespaces", namespace, plural, name] => (*namespace, *plural, *name),
        _ => return None,
    };
    let tenant = if namespace.is_empty() { name } else { namespace };
    let is_it = |info: &KindInfo| info.group == group && info.plural == plural;
    let kind = Kind::ALL.map(Kind::info).into_iter().find(is_it)?.kind;
    let object =
        if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") };
    tenant.starts_with("seen-").then(|| (tenant.to_owned(), object))
}

/// What the operator has sent since a number of writes, where these objects were there.
fn observed(kit: &Kit, since: usize, known: &mut BTreeSet<String>) -> Lists {
    let mut lists = Lists::new();
    let writes = kit.world.proxy.writes();
    for line in &writes[since..] {
        let Some((method, path)) = line.split_once(' ') else { continue };
        let Some((tenant, object)) = target(path) else { continue };
        let verb = match method {
            "DELETE" => {
                known.remove(&object);
                "Delete"
            }
            _ if known.insert(object.clone()) => "Create",
            _ => "Change",
        };
        lists.entry(tenant).or_default().push(format!("{verb} {object}"));
    }
    lists.values_mut().for_each(|lines| lines.sort());
    lists
}

/// The operator has done all that it has to for a Tenant's present spec.
fn is_settled(tenant: &Value) -> bool {
    let ready = condition(tenant, "Ready");
    let is_true = |type_: &str| condition(tenant, type_)["status"] == "True";
    // One that it only looks at, and one that there is nothing to cancel of.
    let at_rest = matches!(text(&ready, "/reason"), "Observing" | "Cancelled");
    !is_true("Paused")
        && !is_true("Reconciling")
        && ready["observedGeneration"] == tenant["metadata"]["generation"]
        && (ready["status"] == "True" || at_rest)
}

async fn all(kit: &Kit, pairs: &[Pair], what: &str, right: impl Fn(&Value) -> bool) -> Outcome {
    let wanted: BTreeSet<&str> = pairs.iter().map(|pair| pair.tenant.as_str()).collect();
    eventually(SOON * 6, what, || async {
        let tenants = kit.list(&at("tenants", "", "")).await.map_err(|error| error.to_string())?;
        let ours = tenants.iter().filter(|one| wanted.contains(text(one, "/metadata/name")));
        let wrong: Vec<String> = ours
            .filter(|one| !right(one))
            .map(|one| format!("{} {}", text(one, "/metadata/name"), one["status"]["conditions"]))
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    })
    .await?;
    Ok(())
}

/// Writes a version of every pair while the operator is stopped for them, and lets it go on: one pass sees both changes
/// of a Tenant and of its rules.
async fn write(kit: &Kit, pairs: &[Pair], version: usize) -> Outcome {
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(30);
    let pause = json!({"metadata": {"annotations": {"tenantry.dev/paused-until": until.to_string()}}});
    for pair in pairs {
        let path = at("platforms", "", &pair.platform);
        let mut platform = pair.platform(version);
        platform["metadata"]["annotations"] = pause["metadata"]["annotations"].clone();
        kit.apply(&path, "tess", &platform).await?;
    }
    // Another watch brings the Tenants, and it may be quicker.
    all(kit, pairs, "every Tenant that is there to be stopped", is_stopped).await?;
    for pair in pairs {
        if let Some(tenant) = pair.tenant(version) {
            kit.apply(&at("tenants", "", &pair.tenant), "tess", &tenant).await?;
        }
    }
    all(kit, pairs, "every Tenant to be stopped", is_stopped).await
}

/// The operator has seen a Tenant's present spec, and writes nothing for it.
fn is_stopped(tenant: &Value) -> bool {
    let is_new = |one: &Value| one["observedGeneration"] == tenant["metadata"]["generation"];
    let (paused, held) = (condition(tenant, "Paused"), condition(tenant, "Ready"));
    paused["status"] == "True" && is_new(&paused) || text(&held, "/reason") == "Cancelled" && is_new(&held)
}

async fn go_on(kit: &Kit, pairs: &[Pair], version: usize) -> Outcome {
    for pair in pairs {
        kit.apply(&at("platforms", "", &pair.platform), "tess", &pair.platform(version)).await?;
    }
    all(kit, pairs, "every Tenant to be as it should be", is_settled).await
}

/// Where two lists differ, with everything that one needs to try it again.
fn differences(seed: u64, pairs: &[Pair], what: &str, lists: [&Lists; 2]) -> Vec<String> {
    let none = Vec::new();
    let different = pairs.iter().filter_map(|pair| {
        let [planned, seen] = lists.map(|list| list.get(&pair.tenant).unwrap_or(&none));
        (planned != seen).then(|| {
            let only = |one: &[String], other: &[String]| -> Vec<String> {
                one.iter().filter(|line| !other.contains(line)).cloned().collect()
            };
            format!(
                "{what}, {} (TENANTRY_SEED={seed}):\n only planned: {:#?}\n only seen: {:#?}\n planned: {planned:?}\n seen: {seen:?}\n \
                 before: {}\n after: {}\n rules: {}\n  then: {}",
                pair.tenant, only(planned, seen), only(seen, planned), json!(pair.specs[0]), json!(pair.specs[1]),
                pair.rules[0], pair.rules[1],
            )
        })
    });
    different.collect()
}

/// What a plan lists offline, and what it lists with the cluster.
fn both(kit: &Kit, repo: &Repo, range: &str, kubeconfig: &std::path::Path) -> Outcome<[Lists; 2]> {
    let offline = plan(kit.world, repo, range, &["--output", "json"])?;
    let there = plan_there(kit.world, repo, range, kubeconfig, &["--output", "json"])?;
    let told = there.json()?;
    for tenant in told["cluster"]["tenants"].as_array().into_iter().flatten() {
        assert_eq!((&tenant["drift"], &tenant["refused"]), (&json!([]), &json!([])), "{}", tenant["name"]);
    }
    assert_eq!((offline.code, there.code), (Some(0), Some(0)), "{}{}", offline.stderr, there.stderr);
    Ok([planned(&offline.json()?, false), planned(&told, true)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_what_the_operator_then_writes() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    let proxy = planner(&kit).await?;
    let (seed, pairs) = pairs(CASES)?;
    for name in PULL_SECRETS {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": json!({"auths": {name: {"password": name}}}).to_string()},
        });
        kit.apply(&at("secrets", SYSTEM, name), "tess", &secret).await?;
    }
    let folder = tempfile::tempdir()?;
    let repo = Repo::new(folder.path(), "config");
    let empty: Vec<_> = ["platforms", "tenants"]
        .map(|name| crate::repo::put(format!("{name}/none.yaml"), "# nothing\n"))
        .into();
    let mut commits = vec![repo.commit("main", "nothing", &empty)];
    for version in 0..2 {
        let files: Vec<_> = pairs.iter().flat_map(|pair| pair.files(version)).collect();
        commits.push(repo.commit("main", "a version", &files));
    }

    let mut known = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut counted = 0;
    for version in 0..2 {
        let range = format!("{}..{}", commits[version], commits[version + 1]);
        let [offline, there] = both(&kit, &repo, &range, proxy.kubeconfig()?)?;
        wrong.extend(differences(seed, &pairs, "offline and with the cluster", [&offline, &there]));
        write(&kit, &pairs, version).await?;
        let since = kit.world.proxy.writes().len();
        go_on(&kit, &pairs, version).await?;
        let seen = observed(&kit, since, &mut known);
        counted += seen.values().map(Vec::len).sum::<usize>();
        wrong.extend(differences(seed, &pairs, "planned and written", [&offline, &seen]));
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(counted > 10 * CASES, "{counted} writes are too few to say anything");
    for pair in &pairs {
        kit.clean_up(&pair.tenant).await?;
    }
    Ok(())
}

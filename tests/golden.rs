//! Tenants and what is made of them: each folder below `tests/golden` is a test. A case holds
//! `platform.yaml`, `tenant.yaml`, perhaps `inputs.yaml` (what the cluster gives), and `expected.yaml`:
//! every object in the order in which it is applied, and how many pods each Deployment gets. A case below
//! `rejected` holds `expected.txt` instead: what is wrong, in the words that users read.
//!
//! `UPDATE_GOLDEN=1 cargo test --test golden` writes what is expected anew.

#![allow(missing_docs, reason = "the names of tests are their documentation")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use kube::CustomResourceExt;
use serde::Deserialize;
use serde_json::json;
use tenantry::api::{Platform, Tenant, marks};
use tenantry::apply::order::{self, Listed};
use tenantry::desired::{self, Plan};
use tenantry::validate::cidr::{Cidr, merge};
use tenantry::validate::ground::{Inputs, PullSecret};
use tenantry::validate::manifest::{self, Manifest, Schemas};
use tenantry::validate::{platform, tenant};

/// What the cluster gives, as a file says it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Given {
    /// Addresses of nodes and API servers.
    addresses: Vec<core::net::IpAddr>,
    pull_secret: Option<Pull>,
    had_backups: bool,
    volumes_in_use: bool,
}

#[derive(Deserialize)]
struct Pull {
    config: String,
    version: String,
}

#[test]
fn objects_are_as_recorded() {
    let all = cases("");
    assert!(all.len() > 15, "{} cases", all.len());
    compare(&all, "expected.yaml", |folder| objects(folder).expect("the case is valid"));
}

#[test]
fn problems_are_as_recorded() {
    let all = cases("rejected");
    assert!(all.len() > 15, "{} cases", all.len());
    compare(&all, "expected.txt", |folder| objects(folder).expect_err("the case is wrong"));
}

/// A rename of a variable in this test must not roll out every pod of every customer.
#[test]
fn the_same_case_gives_the_same_bytes() {
    for folder in cases("") {
        assert_eq!(objects(&folder), objects(&folder), "{}", name(&folder));
    }
}

fn compare(cases: &[PathBuf], file: &str, say: impl Fn(&Path) -> String) {
    let mut wrong = Vec::new();
    for folder in cases {
        let said = say(folder);
        let golden = folder.join(file);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &said).expect("the folder can be written");
        }
        let recorded = std::fs::read_to_string(&golden).unwrap_or_default();
        if recorded != said {
            let line = said.lines().zip(recorded.lines()).position(|(a, b)| a != b);
            let line = line.unwrap_or_else(|| said.lines().count().min(recorded.lines().count()));
            let (new, old) = (said.lines().nth(line), recorded.lines().nth(line));
            wrong.push(format!("{}/{file}:{}: {old:?} is now {new:?}", name(folder), line + 1));
        }
    }
    assert!(wrong.is_empty(), "not as recorded; UPDATE_GOLDEN=1 accepts it:\n{}", wrong.join("\n"));
}

/// A pod template that changes restarts every such pod of every customer: nobody does that in passing. The list in
/// `pod-templates.md` is a log: it says why, and nothing writes it but people.
#[test]
fn pod_templates_change_only_with_an_entry_that_says_why() {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pod-templates.md");
    let log = std::fs::read_to_string(log).expect("the log is there");
    let (recorded, entries) = logged(&log);
    assert!(
        entries.iter().all(|entry| entry.split_whitespace().count() > 10),
        "an entry says why: {entries:?}"
    );
    let mut present = BTreeMap::new();
    for folder in cases("") {
        let manifests = built(&folder).expect("the case is valid").manifests;
        for one in manifests.iter().filter(|one| one.id.kind.has_pods()) {
            let template = one.body.pointer("/spec/template").expect("it has one").to_string();
            let digest = tenantry::desired::meta::short_hash(template.as_bytes(), 16);
            present.insert(format!("{}/{}", name(&folder), one.id.name), digest);
        }
    }
    let other = present.iter().filter(|(key, digest)| recorded.get(*key) != Some(digest));
    let mut lines: Vec<String> = other.map(|(key, digest)| format!("- {key} {digest}")).collect();
    lines
        .extend(recorded.keys().filter(|key| !present.contains_key(*key)).map(|key| format!("- {key} gone")));
    assert!(
        lines.is_empty(),
        "pod templates are others than before: every such pod would restart. If that is meant, add an entry to \
         tests/golden/pod-templates.md that says why, with these lines:\n{}",
        lines.join("\n")
    );
}

#[test]
fn the_log_of_pod_templates_is_read_in_its_order() {
    let log = "# Title\n\nIntro.\n\n## One\n\nWhy.\n\n- a/web 11\n- b/web 22\n\n## Two\n\nWhy not.\n\n- a/web 33\n- b/web gone\n";
    let (list, entries) = logged(log);
    assert_eq!(list, [("a/web".to_owned(), "33".to_owned())].into());
    assert_eq!(entries, ["Why.", "Why not."]);
}

/// What all entries together come to, and the reason of each.
fn logged(log: &str) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut list, mut reasons) = (BTreeMap::new(), Vec::new());
    for entry in log.split("\n## ").skip(1) {
        let (lines, words): (Vec<&str>, Vec<&str>) =
            entry.lines().skip(1).filter(|line| !line.is_empty()).partition(|line| line.starts_with("- "));
        reasons.push(words.join(" "));
        for line in lines {
            match line.trim_start_matches("- ").split_once(' ') {
                Some((key, "gone")) => drop(list.remove(key)),
                Some((key, digest)) => drop(list.insert(key.to_owned(), digest.to_owned())),
                None => panic!("{line} is not: - case/service digest"),
            }
        }
    }
    (list, reasons)
}

/// Parses, validates, builds. What is wrong comes back as text.
fn built(folder: &Path) -> Result<Listed, String> {
    let platform: Platform = read(folder, "platform.yaml")?;
    let tenant: Tenant = read(folder, "tenant.yaml")?;
    let said = |problems: Vec<tenantry::validate::problem::Problem>| {
        let lines = problems.iter().map(|problem| format!("{}: {problem}\n", problem.reason));
        lines.collect::<String>()
    };
    let platform = platform::validate(&platform).map_err(said)?;
    let mut tenant = tenant::validate(&tenant, &platform).map_err(said)?;
    tenant.uid = "00000000-0000-4000-8000-000000000001".to_owned();
    let inputs = inputs(folder);
    Ok(order::list(desired::objects(Plan { tenant: &tenant, platform: &platform, inputs: &inputs })))
}

/// Everything that is made of a case, as text.
fn objects(folder: &Path) -> Result<String, String> {
    let Listed { manifests, scales, .. } = built(folder)?;
    let mut text = String::new();
    for manifest in manifests {
        let body = serde_saphyr::to_string(&manifest.body).expect("an object is YAML");
        write!(text, "---\n{body}").expect("a string can be written");
    }
    for scale in scales {
        let body = json!({ "scale": scale.of.name, "rule": format!("{:?}", scale.rule) });
        let body = serde_saphyr::to_string(&body).expect("a scale is YAML");
        write!(text, "---\n{body}").expect("a string can be written");
    }
    Ok(text)
}

/// Reads one resource through the same door as Git and the CLI.
fn read<T: serde::de::DeserializeOwned>(folder: &Path, file: &str) -> Result<T, String> {
    static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| {
        let json = |crd| serde_json::to_value(crd).expect("a CRD is JSON");
        Schemas::new(&json(Tenant::crd()), &json(Platform::crd()))
    });
    let bytes = std::fs::read(folder.join(file)).expect("the case's files are there");
    let read = manifest::read(file, &bytes, &SCHEMAS);
    if !read.findings.is_empty() {
        return Err(read.findings.iter().map(|finding| format!("{finding}\n")).collect());
    }
    let found: Vec<Arc<Manifest>> = read.tenants.into_iter().chain(read.platforms).collect();
    assert_eq!(found.len(), 1, "{file} holds one resource");
    Ok(found[0].value.typed().expect("what the schema takes is a value of the type"))
}

fn inputs(folder: &Path) -> Inputs {
    let given: Given = match std::fs::read_to_string(folder.join("inputs.yaml")) {
        Ok(text) => serde_saphyr::from_str(&text).expect("inputs.yaml can be read"),
        Err(_) => Given::default(),
    };
    Inputs {
        denied: merge(given.addresses.into_iter().map(Cidr::host).collect()),
        pull_secret: given.pull_secret.map(|pull| PullSecret { config: pull.config, version: pull.version }),
        install_id: "00000000-0000-4000-8000-00000000000f".to_owned(),
        operator: marks::OPERATOR.to_owned(),
        had_backups: given.had_backups,
        volumes_in_use: given.volumes_in_use,
        ..Inputs::default()
    }
}

/// The folders with a Tenant below `tests/golden/<part>`.
fn cases(part: &str) -> Vec<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(part);
    let entries = std::fs::read_dir(top).expect("the cases are there");
    let paths = entries.map(|entry| entry.expect("the cases can be read").path());
    let mut paths: Vec<_> = paths.filter(|path| path.join("tenant.yaml").is_file()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

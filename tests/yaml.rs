//! Files with mistakes and what is said about them: `tests/fixtures/yaml/<case>` beside
//! `<case>.findings`. `UPDATE_GOLDEN=1 cargo test --test yaml` writes the findings anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::CustomResourceExt;
use rustix::time::{ClockId, clock_gettime};
use tenantry::api::{Platform, Tenant};
use tenantry::validate::manifest::{self, Schemas};
use tenantry::validate::set::set;
use tenantry::validate::yaml::{Limits, parse};

#[test]
fn findings_are_as_recorded() {
    let json = |crd| serde_json::to_value(crd).expect("a CRD is JSON");
    let schemas = Schemas::new(&json(Tenant::crd()), &json(Platform::crd()));
    let folder = fixtures();
    let mut wrong = Vec::new();
    for path in cases(&folder) {
        let said = report(&path, &schemas);
        let golden = folder.join(format!("{}.findings", name(&path)));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &said).expect("the fixtures can be written");
        }
        if std::fs::read_to_string(&golden).unwrap_or_default() != said {
            wrong.push(format!("{}:\n{said}", name(&path)));
        }
    }
    assert!(wrong.is_empty(), "not as recorded; UPDATE_GOLDEN=1 accepts it:\n{}", wrong.join("\n"));
}

#[test]
fn a_thousand_tenants_are_read_and_checked() {
    let json = |crd| serde_json::to_value(crd).expect("a CRD is JSON");
    let schemas = Schemas::new(&json(Tenant::crd()), &json(Platform::crd()));
    let template =
        std::fs::read_to_string(fixtures().join("thousand.template")).expect("the template is there");
    let files = (0..1000).map(|i| template.replace("NAME", &format!("tenant-{i}")));
    let parsed = files.map(|text| parse("t.yaml", text.as_bytes(), &Limits::default()));
    let all = set(parsed.map(|parsed| manifest::manifests(parsed, &schemas)).collect());
    assert_eq!((all.tenants.len(), all.findings.len()), (1000, 0), "{:?}", all.findings.first());
}

/// Time that this thread had a processor: others on the machine don't count.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a thread's time is positive")
}

/// What could be made slow on purpose; each takes well under a second in a debug build.
#[test]
fn a_file_full_of_mistakes_is_read_in_bounded_time() {
    let distinct: String = (0..9_000).map(|i| format!("k{i}: x\n")).collect();
    let flow: String = (0..9_000).map(|i| format!("k{i}: x, ")).collect();
    for text in [
        "[\n---\n".repeat(150_000),
        "*a\n---\n".repeat(140_000),
        "\u{202e}\n".repeat(250_000),
        "a: \"\u{200b}\"\n".repeat(9_000),
        format!("{distinct}{}", "k8999: x\n".repeat(9_000)),
        format!("{{{flow}}}"),
        "a: no\n---\n".repeat(60),
        "- 0755\n".repeat(19_000),
        "- !x y\n".repeat(19_000),
        "? ".repeat(500_000),
        "- ".repeat(500_000),
        "{".repeat(1_000_000),
        "a: ".repeat(300_000),
        "'".repeat(1_000_000),
        "\"\\u200b".repeat(100_000),
        " ".repeat(1_000_000),
        "#\n".repeat(500_000),
        "---\n".repeat(250_000),
        "a: &a x\n".repeat(100_000),
    ] {
        let start = spent();
        let parsed = parse("a.yaml", text.as_bytes(), &Limits::default());
        assert!(parsed.findings().len() <= 101);
        let took = spent() - start;
        assert!(took < Duration::from_secs(5), "{:?}: {took:?}", &text.get(..12));
    }
}

#[test]
fn an_alias_bomb_costs_next_to_nothing() {
    let next = |i: usize| format!("b{i}: &a{i} [{}]\n", format!("*a{}, ", i - 1).repeat(10));
    let bomb = format!("a: &a0 [x, x, x, x, x, x, x, x, x, x]\n{}", (1..10).map(next).collect::<String>());
    let start = spent();
    let parsed = parse("a.yaml", bomb.as_bytes(), &Limits::default());
    let took = spent() - start;
    assert!(parsed.findings()[0].message.contains("`nodes` is 20000"), "{:?}", parsed.findings());
    // Unfolded it would be ten billion nodes.
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// What no number, quantity or time should be.
const NONE: [&str; 28] = [
    ".nan",
    ".inf",
    "-.inf",
    "1e999",
    "-1e999",
    "1e-999",
    "-1",
    "9223372036854775808",
    "-9223372036854775809",
    "99999999999999999999999999999999",
    "0x7fffffffffffffffffffffff",
    "0o7777777777777777777777777",
    "0b2",
    "9223372036854775807h",
    "-1h",
    "1h1h1h",
    "1e9999999999Ki",
    "'1e9999999999'",
    "'9223372036854775807E'",
    "'-0.0000000000000000000000000001n'",
    "\"\"",
    "~",
    "[]",
    "{}",
    "[[[[]]]]",
    "!!binary AAAA",
    "2026-13-45",
    "'٣'",
];

/// CVE-2022-39272, CVE-2022-28948, CVE-2024-26147: a number, a quantity or a time that is none stops nobody else, in
/// whichever file or document it is, and nothing panics on the way.
#[test]
fn numbers_and_times_that_are_none_cost_only_their_document() {
    const HEAD: &str = "apiVersion: tenantry.dev/v1alpha1\nkind: ";
    let json = |crd| serde_json::to_value(crd).expect("a CRD is JSON");
    let schemas = Schemas::new(&json(Tenant::crd()), &json(Platform::crd()));
    let good = format!("{HEAD}Tenant\nmetadata: {{name: good}}\nspec: {{platformRef: {{name: p}}}}\n");
    let tenant = |rest: &str| {
        format!("{HEAD}Tenant\nmetadata: {{name: poison}}\nspec: {{platformRef: {{name: p}}, {rest}}}\n")
    };
    let platform = |rest: &str| format!("{HEAD}Platform\nmetadata: {{name: poison}}\nspec: {{{rest}}}\n");
    let fields = [
        tenant("services: [{name: web, image: a, replicas: {min: HERE}}]"),
        tenant("quota: {hard: {cpu: HERE, memory: HERE}}"),
        tenant("members: HERE"),
        platform("source: {git: {url: 'https://h/x', interval: HERE}}"),
        platform("source: {git: {url: 'https://h/x', limits: {repositoryBytes: HERE, files: HERE}}}"),
        platform("limits: HERE"),
    ];
    for field in &fields {
        for value in NONE {
            let poison = field.replace("HERE", value);
            for text in
                [format!("{poison}---\n{good}"), format!("{good}---\n{poison}"), format!("---\n---\n{good}")]
            {
                let read = manifest::read("a.yaml", text.as_bytes(), &schemas);
                let taken = read.tenants.iter().any(|one| one.name == "good" && one.valid);
                assert!(taken, "{text}: {:?}", read.findings);
                for one in read.platforms.iter().filter(|one| one.valid) {
                    let typed = serde_json::from_value::<Platform>(one.value.value().clone());
                    // Whether it passes does not matter here, but that it comes to an answer.
                    let _ = typed.map(|platform| tenantry::validate::platform::validate(&platform).is_ok());
                }
            }
        }
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/yaml")
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the fixtures are there");
    let paths = entries.map(|entry| entry.expect("the fixtures can be read").path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "yaml" || it == "json")).collect();
    paths.sort();
    assert!(paths.len() > 4);
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Every finding with its hint, then what is taken and what is not.
fn report(path: &Path, schemas: &Schemas) -> String {
    let bytes = std::fs::read(path).expect("the fixture can be read");
    let read = manifest::read(&name(path), &bytes, schemas);
    let mut said = String::new();
    for finding in &read.findings {
        let field = finding.field.as_deref().map(|field| format!(" [{field}]")).unwrap_or_default();
        let hint = finding.hint.as_deref().map(|hint| format!("\n    {hint}")).unwrap_or_default();
        writeln!(said, "{finding}{field}{hint}").expect("a string can be written");
    }
    for manifest in read.tenants.iter().chain(&read.platforms) {
        let verdict = if manifest.valid { "taken" } else { "refused" };
        writeln!(said, "{verdict}: {} {}", manifest.kind.name(), manifest.name)
            .expect("a string can be written");
    }
    writeln!(said, "complete: {}", read.complete).expect("a string can be written");
    said
}

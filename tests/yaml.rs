//! Files with mistakes and what is said about them: `tests/fixtures/yaml/<case>` beside
//! `<case>.findings`. `UPDATE_GOLDEN=1 cargo test --test yaml` writes the findings anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use kube::CustomResourceExt;
use tenantry::api::{Platform, Tenant};
use tenantry::validate::manifest::{Schemas, manifests};
use tenantry::validate::yaml::{Limits, parse};

#[test]
fn findings_are_as_recorded() {
    let json = |crd| serde_json::to_value(crd).expect("a CRD is JSON");
    let schemas = Schemas::new(&json(Tenant::crd()), &json(Platform::crd()));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/yaml");
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

fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the fixtures are there");
    let paths = entries.map(|entry| entry.expect("the fixtures can be read").path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|it| it != "findings")).collect();
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
    let read = manifests(parse(&name(path), &bytes, &Limits::default()), schemas, 100);
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

//! Which documents are Tenants and Platforms of ours, and are they sound.

use std::sync::Arc;

use serde_json::Value;

use super::cel::{Checked, Rules};
use super::json::Json;
use super::names::{TENANT_NAME_MAX, is_dns_label};
use super::place::Place;
use super::schema::{Schema, Unchecked};
use super::text::{code, quote, sanitize};
use super::yaml::{self, Document, Parsed, spans::Spans};
use crate::api::finding::Finding;

/// The API group that is read from files.
pub const GROUP: &str = "tenantry.dev";
/// The version that is read from files.
pub const VERSION: &str = "v1alpha1";

/// The kinds that are read from files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ManifestKind {
    /// A tenant.
    Tenant,
    /// A platform.
    Platform,
}

impl ManifestKind {
    /// The kind's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tenant => "Tenant",
            Self::Platform => "Platform",
        }
    }
}

/// A document that says it is a Tenant or a Platform.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its kind.
    pub kind: ManifestKind,
    /// The file it came from.
    pub file: String,
    /// The line on which its name stands, counted from 1.
    pub line: u32,
    /// `metadata.name`, harmless to show.
    pub name: String,
    /// Whether nothing was found against it: only then may it be applied. One
    /// that is not keeps its last good state in the cluster.
    pub valid: bool,
    /// What the file says.
    pub given: Json,
    /// Where each value stands in the file.
    pub spans: Spans,
    /// What the cluster would make of it: defaults filled in, empty fields dropped.
    pub value: Json,
    /// Rules that only the API server can decide for it.
    pub unchecked: Vec<Unchecked>,
}

impl Manifest {
    /// Where its values stand, to say what is wrong with them.
    pub fn place(&self) -> Place<'_> {
        Place { file: &self.file, spans: &self.spans }
    }
}

/// What one file declares.
#[derive(Clone, Debug)]
pub struct Manifests {
    /// The file.
    pub file: String,
    /// Its Tenants, sound or not.
    pub tenants: Vec<Arc<Manifest>>,
    /// Its Platforms, sound or not.
    pub platforms: Vec<Arc<Manifest>>,
    /// Everything that is wrong, in order of position.
    pub findings: Vec<Finding>,
    /// Whether it is known of every document which resource it declares. If not,
    /// a resource that is not listed may well be in the file.
    pub complete: bool,
}

/// Schema and rules of both kinds.
#[derive(Debug)]
pub struct Schemas {
    tenant: Shape,
    platform: Shape,
}

/// Schema and rules of a kind.
#[derive(Debug)]
pub struct Shape {
    /// The structural schema.
    pub schema: Schema,
    /// The rules.
    pub rules: Rules,
}

impl Schemas {
    /// Compiles the CRDs, given as JSON.
    pub fn new(tenant_crd: &Value, platform_crd: &Value) -> Self {
        Self { tenant: Shape::new(tenant_crd), platform: Shape::new(platform_crd) }
    }

    /// Schema and rules of a kind.
    pub fn of(&self, kind: ManifestKind) -> &Shape {
        match kind {
            ManifestKind::Tenant => &self.tenant,
            ManifestKind::Platform => &self.platform,
        }
    }
}

impl Shape {
    /// Without the version that we read, nothing is allowed: every field is unknown.
    fn new(crd: &Value) -> Self {
        let versions = crd.pointer("/spec/versions").and_then(Value::as_array);
        let ours = versions.into_iter().flatten().find(|version| version["name"] == VERSION);
        let schema = ours.and_then(|version| version.pointer("/schema/openAPIV3Schema"));
        let schema = schema.unwrap_or(&Value::Null);
        Self { schema: Schema::compile(schema), rules: Rules::compile(schema) }
    }

    /// The value as the cluster would see it, what is wrong with it, and what
    /// cannot be decided here. With the old state also the rules about change.
    pub fn check(&self, value: &Value, old: Option<&Value>, place: Place<'_>) -> (Value, Checked) {
        let mut filled = value.clone();
        self.schema.default(&mut filled);
        let (mut findings, shapely) = self.schema.examine(&filled, place);
        if !shapely {
            return (filled, Checked { findings, unchecked: Vec::new() });
        }
        let mut checked = self.rules.check(&filled, old, place);
        findings.append(&mut checked.findings);
        (filled, Checked { findings, ..checked })
    }
}

/// Reads a file as every door does: its YAML within the limits, then [`manifests`].
pub fn read(file: &str, bytes: &[u8], schemas: &Schemas) -> Manifests {
    manifests(yaml::parse(file, bytes, &yaml::Limits::default()), schemas)
}

/// Finds the Tenants and Platforms of a file and checks each.
pub fn manifests(parsed: Parsed, schemas: &Schemas) -> Manifests {
    let Parsed { file, documents, mut complete, mut sink } = parsed;
    // What the text gets wrong (`NO` where text is expected) is not said twice.
    let said = sink.positions();
    let (mut tenants, mut platforms) = (Vec::new(), Vec::new());
    for document in documents {
        let (kind, name) = match identify(&document) {
            Identity::Ours(kind, name) => (kind, name),
            Identity::Foreign(finding) => {
                sink.push(finding);
                continue;
            }
            Identity::Unknown(finding) => {
                sink.push(finding);
                complete = false;
                continue;
            }
        };
        let (value, checked) = schemas.of(kind).check(&document.value, None, document.place());
        let mut findings = checked.findings;
        if let Some(finding) = name_rules(kind, &name, &document) {
            findings.retain(|other| other.field.is_some()); // rules of the root speak of the name, too
            findings.push(finding);
            complete = false; // perhaps a slip in the name of one that exists
        }
        let manifest = Manifest {
            kind,
            file: document.file.clone(),
            line: document.spans.locate("/metadata/name").0,
            name: sanitize(&name, 253),
            valid: document.valid && findings.is_empty(),
            given: Json::new(&document.value),
            spans: document.spans,
            value: Json::new(&value),
            unchecked: checked.unchecked,
        };
        let new = findings.into_iter().filter(|finding| !said.contains(&(finding.line, finding.column)));
        new.for_each(|finding| sink.push(finding));
        match kind {
            ManifestKind::Tenant => tenants.push(Arc::new(manifest)),
            ManifestKind::Platform => platforms.push(Arc::new(manifest)),
        }
    }
    Manifests { file, tenants, platforms, findings: sink.finish(), complete }
}

/// What a document says it is.
enum Identity {
    Ours(ManifestKind, String),
    /// Certainly none of ours.
    Foreign(Finding),
    /// Possibly one of ours; which one cannot be said.
    Unknown(Finding),
}

fn identify(document: &Document) -> Identity {
    let place = document.place();
    let Value::Object(fields) = &document.value else {
        let finding = place.value("", "a resource must be a map with `apiVersion`, `kind` and `metadata`");
        return Identity::Unknown(finding.hint("see `tenantry crds` for the fields"));
    };
    let text = |field: &str| fields.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else {
        let missing = if text("apiVersion").is_none() { "apiVersion" } else { "kind" };
        let finding =
            place.value(&format!("/{missing}"), format!("required field {} is missing", code(missing)));
        return Identity::Unknown(
            finding.hint(format!("start with `apiVersion: {GROUP}/{VERSION}` and `kind: Tenant`")),
        );
    };
    if version.split('/').next() != Some(GROUP) {
        let message = format!("{} ({}) is not accepted: only {GROUP} kinds are", code(kind), quote(version));
        return Identity::Foreign(place.value("/kind", message).hint(advice(kind)));
    }
    if version != format!("{GROUP}/{VERSION}") {
        let finding = place.value("/apiVersion", format!("unknown version {}", quote(version)));
        return Identity::Unknown(finding.hint(format!("write `{GROUP}/{VERSION}`")));
    }
    let kind = match kind {
        "Tenant" => ManifestKind::Tenant,
        "Platform" => ManifestKind::Platform,
        other => {
            let finding = place.value("/kind", format!("unknown kind {}", quote(other)));
            let hint = match other.to_ascii_lowercase().trim_end_matches('s') {
                "tenant" => "did you mean `Tenant`?",
                "platform" => "did you mean `Platform`?",
                _ => "write `Tenant` or `Platform`",
            };
            return Identity::Unknown(finding.hint(hint));
        }
    };
    match document.value.pointer("/metadata/name").and_then(Value::as_str) {
        Some(name) if !name.is_empty() => Identity::Ours(kind, name.to_owned()),
        _ => {
            let mut finding = place.key("/metadata", "required field `name` is missing, or is no text");
            finding.field = Some("metadata.name".to_owned());
            Identity::Unknown(finding.hint(format!("give the {} a name", kind.name())))
        }
    }
}

/// What to do about a kind that is not ours.
fn advice(kind: &str) -> &'static str {
    match kind {
        "Namespace"
        | "ResourceQuota"
        | "LimitRange"
        | "NetworkPolicy"
        | "RoleBinding"
        | "ServiceAccount"
        | "Deployment"
        | "StatefulSet"
        | "Service"
        | "PodDisruptionBudget"
        | "HorizontalPodAutoscaler"
        | "ConfigMap" => "the operator creates it: describe it in the Tenant's spec, and remove it here",
        "ClusterRole"
        | "ClusterRoleBinding"
        | "CustomResourceDefinition"
        | "PersistentVolume"
        | "ValidatingAdmissionPolicy"
        | "ValidatingAdmissionPolicyBinding"
        | "ValidatingWebhookConfiguration"
        | "MutatingWebhookConfiguration"
        | "StorageClass"
        | "PriorityClass" => {
            "no tenant may have cluster-scoped resources: a cluster admin applies them by another way"
        }
        "Secret" => {
            "keep secrets out of Git: create it in the tenant's namespace and name it in `secretRefs`"
        }
        kind if kind.ends_with("List") => "write each resource as a document of its own, separated by `---`",
        _ => "move it to a folder that Tenantry does not read, or apply it by another way",
    }
}

fn name_rules(kind: ManifestKind, name: &str, document: &Document) -> Option<Finding> {
    let finding = |message: String| document.place().value("/metadata/name", message);
    if !is_dns_label(name) {
        let message = format!("invalid value {}: not an RFC 1123 label", quote(name));
        let hint =
            "use lower-case letters, digits and `-`, at most 63, and begin and end with a letter or digit";
        return Some(finding(message).hint(hint));
    }
    if kind == ManifestKind::Tenant && name.len() > TENANT_NAME_MAX {
        let message = format!("too long: {} characters, at most {TENANT_NAME_MAX} are allowed", name.len());
        return Some(
            finding(message).hint("names of the tenant's objects are built from it, and are never cut"),
        );
    }
    None
}

#[cfg(test)]
mod tests;

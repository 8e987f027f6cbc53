//! Who must have approved what a source applies: a part of the trust root, as signers are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::Duration;

/// Who must have approved a change, by the paths that it changes. A change that isn't approved holds the whole source at
/// the last accepted revision (`SourceSynced=False`, `ApprovalsMissing`). These rules come from the cluster alone, so a
/// commit can't loosen them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approvals {
    /// Each rule holds for the changed paths that it matches, and all of them must be satisfied. A path that no rule
    /// matches needs no approval: let one rule match `**`.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub rules: Vec<ApprovalRule>,
    /// Who may approve, in groups that rules name.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub groups: Vec<ApproverGroup>,
    /// Accounts on `forge` whose approvals of a pull request count too, and whose they are. Who lists one trusts the forge
    /// for it. With none listed, only signed approvals count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["user"]))]
    pub forge_users: Vec<ForgeUser>,
    /// How long after it was given an approval counts; at least 1h outside `environment: test`. An approval may say an
    /// earlier end itself.
    #[serde(default = "default_age")]
    pub max_age: Duration,
}

fn default_age() -> Duration {
    Duration::from_secs(7 * 24 * 3600)
}

/// How many people must approve changes of some paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRule {
    /// Name of the rule, for messages.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Paths from the top of the repository: `*` and `?` stay inside a folder, `**` stands for any number of folders
    /// (`tenants/**`, `**/*.yaml`).
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
    pub paths: Vec<String>,
    /// Groups whose members may approve.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub groups: Vec<String>,
    /// How many of them must; whoever wrote the change of a path doesn't count for it.
    #[schemars(range(min = 1, max = 16))]
    pub required: u32,
}

/// An account on the forge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForgeUser {
    /// Its name there.
    #[schemars(length(min = 1, max = 255))]
    pub user: String,
    /// Whose it is: a principal of `signers`.
    #[schemars(length(min = 1, max = 253))]
    pub principal: String,
}

/// People who may approve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApproverGroup {
    /// Name of the group.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Principals of `signers`, as its lines write them. Who has no line there can't approve.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub members: Vec<String>,
}

//! The brake: how much a commit may do before a person has to say that it is meant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much one commit may do to what runs. Effects are counted, not files; a commit that does more is
/// held until somebody acknowledges it. New Tenants are no effect: nothing that runs depends on them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Brake {
    /// Most effects of all kinds together, but for `TenantTouched` and kinds with a limit of their own; `0` holds
    /// every commit that has one.
    #[schemars(range(min = 0, max = 1000000))]
    pub max_effects: u32,
    /// Most of the Platform's Tenants, in percent, that a commit may touch; `100` never holds. It never holds a
    /// commit that touches one Tenant alone.
    #[schemars(range(min = 0, max = 100))]
    pub max_percent: u32,
    /// Limits for single kinds of effect; they count by these alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kind"]))]
    pub effects: Vec<EffectLimit>,
}

impl Default for Brake {
    fn default() -> Self {
        Self { max_effects: 20, max_percent: 25, effects: Vec::new() }
    }
}

/// A limit for one kind of effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EffectLimit {
    /// The kind.
    pub kind: EffectKind,
    /// Most effects of it; any number when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000000))]
    pub max_effects: Option<u32>,
    /// Most of the Platform's Tenants, in percent, that may have it; any share when absent. It never holds a
    /// commit in which one Tenant alone has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_percent: Option<u32>,
}

/// What a commit does to what runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the names say it, and variant docs would turn the schema's enum into oneOf
pub enum EffectKind {
    ServiceRemoved,
    TenantSuspended,
    TenantCancelled,
    ServiceRestarted,
    BindingRemoved,
    LimitLowered,
    TenantTouched,
}

impl EffectKind {
    /// Every kind, in the order in which they are told.
    pub const ALL: [Self; 7] = [
        Self::TenantCancelled,
        Self::TenantSuspended,
        Self::ServiceRemoved,
        Self::ServiceRestarted,
        Self::BindingRemoved,
        Self::LimitLowered,
        Self::TenantTouched,
    ];

    /// What is counted, in words that follow a number.
    pub const fn counted(self, many: bool) -> &'static str {
        match (self, many) {
            (Self::ServiceRemoved, false) => "service removed",
            (Self::ServiceRemoved, true) => "services removed",
            (Self::TenantSuspended, false) => "suspension",
            (Self::TenantSuspended, true) => "suspensions",
            (Self::TenantCancelled, false) => "cancellation",
            (Self::TenantCancelled, true) => "cancellations",
            (Self::ServiceRestarted, false) => "restart",
            (Self::ServiceRestarted, true) => "restarts",
            (Self::BindingRemoved, false) => "binding removed",
            (Self::BindingRemoved, true) => "bindings removed",
            (Self::LimitLowered, false) => "limit lowered",
            (Self::LimitLowered, true) => "limits lowered",
            (Self::TenantTouched, false) => "Tenant touched",
            (Self::TenantTouched, true) => "Tenants touched",
        }
    }
}

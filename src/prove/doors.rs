//! What the probe's pod saw, and what it means. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::kinds;

use super::judge::LIMIT;

/// Whether the network keeps the probe's two Tenants apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doors {
    /// Nobody has tried, or it couldn't be tried; why, and the next step.
    NotTried(String),
    /// A pod of one reached the other.
    Open {
        /// When.
        at: Timestamp,
        /// By which door.
        door: String,
    },
    /// Every door was shut, and those that must be open were.
    Closed {
        /// When.
        at: Timestamp,
    },
}

impl Default for Doors {
    fn default() -> Self {
        let next =
            "start the operator with --probe-image IMAGE, and apply what tenantry probe manifests prints";
        Self::NotTried(format!("the network is not probed: {next}"))
    }
}

impl Doors {
    /// The same, or that it was too long ago.
    #[must_use]
    pub fn now(&self, now: Timestamp) -> Self {
        match self {
            Self::Open { at, .. } | Self::Closed { at } if now.duration_since(*at) > LIMIT => Self::NotTried(
                "the last probe of the network was too long ago; the operator's log says why".into(),
            ),
            same => same.clone(),
        }
    }

    /// A word for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NotTried(_) => "unknown",
            Self::Open { .. } => "open",
            Self::Closed { .. } => "closed",
        }
    }
}

/// What came of knocking at one door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Knock {
    /// Somebody answered, with the right word.
    Answered,
    /// Nobody did; how.
    Shut(String),
}

/// What the pod says when it ends: its termination message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// A pod of its own Tenant, by address: must answer.
    pub own: Knock,
    /// The Service of its own Tenant, by name: must answer, and with it the name service.
    pub own_service: Knock,
    /// A pod of the other Tenant, by address.
    pub pod: Knock,
    /// The Service of the other Tenant, by address.
    pub service: Knock,
}

/// What the pod's message means; `facing` says whether the other Tenant's pod is still the one that was knocked at,
/// and ready: one that is gone opens to nobody.
pub fn judge(message: &str, at: Timestamp, facing: bool) -> Doors {
    let Ok(report) = serde_json::from_str::<Report>(message) else {
        let said: String = message.chars().take(200).collect();
        return Doors::NotTried(format!("the probe of the network ended without a report: {said}"));
    };
    for (door, knock) in [("pod", &report.pod), ("Service", &report.service)] {
        if *knock == Knock::Answered {
            return Doors::Open { at, door: door.to_owned() };
        }
    }
    for (what, knock) in [("a pod", &report.own), ("the Service, and its name,", &report.own_service)] {
        if let Knock::Shut(why) = knock {
            let message = format!(
                "the probe could not reach {what} of its own Tenant either ({why}): what else is shut proves nothing"
            );
            return Doors::NotTried(message);
        }
    }
    if !facing {
        let message =
            "the pod that the probe knocked at is gone or not ready: that nobody answered proves nothing";
        return Doors::NotTried(message.to_owned());
    }
    Doors::Closed { at }
}

/// For the condition's message.
pub fn open_words(door: &str) -> String {
    let policy = kinds::Kind::NetworkPolicy.info().kind;
    format!(
        "a {door} of Tenant {} answered a pod of Tenant {}: the cluster's network plugin does not enforce {policy} objects, so every tenant's pods can reach every other's; install one that does (Cilium, Calico, …)",
        super::stage::TENANTS[1],
        super::stage::TENANTS[0],
    )
}

#[cfg(test)]
mod tests;

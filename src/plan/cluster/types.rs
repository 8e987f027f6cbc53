//! What a cluster says of a plan. Plain data.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::types::{ObjectChange, ScaleChange};
use crate::api::brake::Brake;

/// What a cluster says of a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPlan {
    /// As whom it was tried; absent where that is whom the kubeconfig names.
    pub tried_as: Option<String>,
    /// The brakes of the Platforms that are there: a trust root is the cluster's to say.
    #[serde(skip)]
    pub brakes: BTreeMap<String, Brake>,
    /// What the Platforms are there, where that isn't what BASE says.
    pub notes: Vec<String>,
    /// The Tenants to which something happens, by name.
    pub tenants: Vec<TenantThere>,
}

/// A Tenant, held against what the cluster has of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantThere {
    /// Its name.
    pub name: String,
    /// What only the cluster knows of it.
    pub notes: Vec<String>,
    /// What the change does to its live objects, in the order in which apply does it.
    pub objects: Vec<ObjectChange>,
    /// Its running Deployments that get another number of pods than they have.
    pub scales: Vec<ScaleChange>,
    /// What is written in the same pass and is none of the change's doing.
    pub drift: Vec<Drift>,
    /// What would not be taken.
    pub refused: Vec<Refusal>,
    /// What was not tried.
    pub untried: Vec<Untried>,
}

/// An object that is not as it should be already.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// What is done with it; no value is shown, as nobody knows what somebody wrote there.
    #[serde(flatten)]
    pub object: ObjectChange,
    /// Who changed what.
    pub by: Vec<String>,
}

/// An object that would not be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The object: `Kind namespace/name`.
    pub object: String,
    /// Who refuses, and why.
    pub message: String,
}

/// Objects that were not tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Untried {
    /// The objects: `Kind namespace/name`.
    pub objects: Vec<String>,
    /// Why.
    pub why: String,
}

impl ClusterPlan {
    /// What is said of a Tenant.
    pub fn of(&self, tenant: &str) -> Option<&TenantThere> {
        self.tenants.iter().find(|one| one.name == tenant)
    }

    /// How many objects would not be taken.
    pub fn refused(&self) -> usize {
        self.tenants.iter().map(|tenant| tenant.refused.len()).sum()
    }
}

impl TenantThere {
    pub(super) fn refuse(&mut self, object: String, message: impl Into<String>) {
        self.refused.push(Refusal { object, message: message.into() });
    }

    /// One line for all that is left untried for one reason.
    pub(super) fn leave(&mut self, object: String, why: &str) {
        match self.untried.iter_mut().find(|one| one.why == why) {
            Some(one) => one.objects.push(object),
            None => self.untried.push(Untried { objects: vec![object], why: why.to_owned() }),
        }
    }
}

//! A valid Tenant, held against the cluster: is the ground it wants to stand on its own?

use crate::api::{conditions::reasons, tenant::Lifecycle};

use super::{cidr::Cidr, tenant::ValidatedTenant};

/// What a pass knows of the cluster before it decides anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// The namespace that the Tenant asks for.
    pub namespace: Option<NamespaceFacts>,
    /// uid of the namespace that this Tenant's status records.
    pub recorded_uid: Option<String>,
    /// Another Tenant that had the namespace before.
    pub taken_by: Option<String>,
    /// Addresses of nodes and of the API server.
    pub denied: Vec<Cidr>,
    /// The image pull Secret that the Platform's references add up to.
    pub pull_secret: Option<PullSecret>,
    /// Id of this installation.
    pub install_id: String,
    /// The user that the operator is.
    pub operator: String,
    /// Whether the Tenant has namespaces for backups: no change of its spec takes them away.
    pub had_backups: bool,
    /// Whether a run of one of its volumes goes on, or may have left something that has to be taken away.
    pub volumes_in_use: bool,
    /// Namespaces beside the Tenant's own that it has, or would have, and that are there.
    pub beside: Vec<(String, NamespaceFacts)>,
}

/// A namespace as it is in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Its uid.
    pub uid: String,
    /// Its deletion has begun.
    pub terminating: bool,
    /// The Tenant that its marks name.
    pub tenant: Option<String>,
    /// The installation that its marks name.
    pub install_id: Option<String>,
}

/// Docker configuration for a tenant's namespace. `Debug` doesn't print it.
#[derive(Clone, PartialEq, Eq)]
pub struct PullSecret {
    /// `.dockerconfigjson`, as JSON text.
    pub config: String,
    /// Versions of the Secrets that it was made of: changes when they do, and says nothing about them.
    pub version: String,
}

impl std::fmt::Debug for PullSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PullSecret").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Why a pass can't go on, and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Reason constant.
    pub reason: &'static str,
    /// What is in the way, and the next step.
    pub message: String,
    /// Whether the cluster may clear the way by itself.
    pub may_pass: bool,
}

/// Proof that the namespace is the Tenant's, or free to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// There is no such namespace yet.
    Free,
    /// The namespace is this Tenant's: we made it, its marks say so, or `adopt.uid` names it.
    Own,
}

/// Decides whether the Tenant may have its namespace.
///
/// # Errors
/// Somebody else has it, it was replaced, or it is on its way out.
pub fn check(tenant: &ValidatedTenant, inputs: &Inputs) -> Result<Ground, Held> {
    if !tenant.databases.is_empty() || inputs.had_backups {
        check_beside(tenant, inputs)?;
    }
    let name = &tenant.namespace;
    if let Some(other) = &inputs.taken_by {
        let message = format!("Tenant {other} has namespace {name}; choose another in spec.namespace");
        return Err(Held { reason: reasons::NAMESPACE_TAKEN, message, may_pass: false });
    }
    let Some(live) = &inputs.namespace else {
        return missing(tenant);
    };
    if live.terminating {
        let message = format!(
            "namespace {name} is being deleted; it is made anew once it is gone: kubectl get namespace {name} -o yaml shows what holds it"
        );
        return Err(Held { reason: reasons::NAMESPACE_TERMINATING, message, may_pass: true });
    }
    let marked =
        live.tenant.as_deref() == Some(&tenant.name) && live.install_id.as_ref() == Some(&inputs.install_id);
    let adopted = tenant.adopt.as_ref() == Some(&live.uid);
    match &inputs.recorded_uid {
        Some(uid) if *uid == live.uid => Ok(Ground::Own),
        _ if marked || adopted => Ok(Ground::Own),
        Some(uid) => {
            let message = format!(
                "namespace {name} has uid {}, not {uid} which was made for this Tenant; nothing is written to it. To take it over, set spec.adopt.uid to {}",
                live.uid, live.uid
            );
            Err(Held { reason: reasons::NAMESPACE_REPLACED, message, may_pass: false })
        }
        None => {
            let owner = live
                .tenant
                .as_ref()
                .map_or_else(String::new, |other| format!(" (its marks name Tenant {other})"));
            let message = format!(
                "namespace {name} is there already and not this Tenant's{owner}; choose another in spec.namespace, or take it over with spec.adopt.uid: {}",
                live.uid
            );
            Err(Held { reason: reasons::NAMESPACE_NOT_OURS, message, may_pass: false })
        }
    }
}

/// The namespaces for backups are this Tenant's, or not there yet. They are never taken over: whoever has one may have
/// put something into it that would see every dump.
fn check_beside(tenant: &ValidatedTenant, inputs: &Inputs) -> Result<(), Held> {
    for (name, live) in &inputs.beside {
        let marked = live.tenant.as_deref() == Some(&tenant.name)
            && live.install_id.as_ref() == Some(&inputs.install_id);
        if !marked {
            let message = format!(
                "namespace {name} is there already and not this Tenant's; its backups need that name: delete it, or give the Tenant another spec.namespace"
            );
            return Err(Held { reason: reasons::NAMESPACE_NOT_OURS, message, may_pass: true });
        }
        if live.terminating {
            let message = format!(
                "namespace {name} is being deleted; it is made anew once it is gone: kubectl get namespace {name} -o yaml shows what holds it"
            );
            return Err(Held { reason: reasons::NAMESPACE_TERMINATING, message, may_pass: true });
        }
    }
    Ok(())
}

/// Nothing to adopt is an error; a cancelled Tenant needs no namespace made for it.
fn missing(tenant: &ValidatedTenant) -> Result<Ground, Held> {
    let name = &tenant.namespace;
    match &tenant.adopt {
        Some(uid) => {
            let message =
                format!("namespace {name} with uid {uid} is not there; remove spec.adopt to make a new one");
            Err(Held { reason: reasons::NAMESPACE_NOT_OURS, message, may_pass: true })
        }
        None if tenant.lifecycle == Lifecycle::Cancelled => {
            let message =
                format!("the Tenant is cancelled and namespace {name} is gone; the Tenant can be deleted");
            Err(Held { reason: reasons::CANCELLED, message, may_pass: false })
        }
        None => Ok(Ground::Free),
    }
}

//! What a service keeps: `Tenant.spec.services[].storage[]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantity::Quantity;

/// A volume that each pod of the service has to itself, and that outlives the pod. The claim `<name>-<service>-<n>` is
/// the tenant's data: the operator never deletes one, not when the service is scaled down, suspended, cancelled or
/// removed. A service of the same name finds its claims again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.size == oldSelf.size",
        "message": "size can't change: an admin enlarges the claims themselves (kubectl patch pvc), where their class allows it; for other pods make a service of another name"
    },
    {
        "rule": "self.path == oldSelf.path && has(self.class) == has(oldSelf.class) && (!has(self.class) || self.class == oldSelf.class)",
        "message": "class and path can't change: make a service of another name, move the data, then remove this one"
    },
]))]
pub struct Storage {
    /// Name of the volume, unique in its service; can't change.
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Size of the volume of each pod (`10Gi`); can't change.
    pub size: Quantity,
    /// The StorageClass, within `Platform.spec.limits.storageClasses`; the cluster's default when absent; can't change.
    /// It should bind when a pod is there (`WaitForFirstConsumer`), or the volume's zone is chosen before the pod's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub class: Option<String>,
    /// Folder where it is mounted; can't change.
    #[schemars(length(min = 2, max = 256), regex(pattern = r"^/[^:]*$"))]
    pub path: String,
}

//! Labels, annotations and field managers. They are API: never change them.

/// API group of every custom resource.
pub const GROUP: &str = "tenantry.dev";
/// The one served and stored version.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of every custom resource.
pub const API_VERSION: &str = "tenantry.dev/v1alpha1";

/// Label key that says who manages an object; always with [`MANAGED_BY_VALUE`].
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`] on every child.
pub const MANAGED_BY_VALUE: &str = "tenantry";
/// Label with the Tenant's name, on every child and on pods.
pub const TENANT: &str = "tenantry.dev/tenant";
/// Label with the service's name, on a service's children and pods.
pub const SERVICE: &str = "app.kubernetes.io/name";
/// Label with the Platform's name, on Tenants that come from its source.
pub const PLATFORM: &str = "tenantry.dev/platform";

/// Annotation with the uid of the Tenant that a child was made for.
pub const TENANT_UID: &str = "tenantry.dev/tenant-uid";
/// Annotation with the id of the installation (uid of the operator's namespace).
pub const INSTALL_ID: &str = "tenantry.dev/install-id";
/// Annotation with the hash of the desired object.
pub const HASH: &str = "tenantry.dev/hash";
/// Annotation on a Tenant: which door owns it, `<platform>/<path>` for Git.
pub const SOURCE: &str = "tenantry.dev/source";
/// Annotation on a Tenant: the commit that last changed its file.
pub const COMMIT: &str = "tenantry.dev/commit";
/// Annotation on a Tenant: RFC 3339 commit time of [`COMMIT`].
pub const COMMITTED_AT: &str = "tenantry.dev/committed-at";
/// Annotation on a Tenant from Git: id of the blob (or part of it) that it was written from.
pub const BLOB: &str = "tenantry.dev/blob";
/// Annotation on a Tenant or Platform: no writes to children before this RFC 3339 time (at most 24 h ahead).
pub const PAUSED_UNTIL: &str = "tenantry.dev/paused-until";
/// Annotation that lets a guarded object be deleted.
pub const ALLOW_DELETE: &str = "tenantry.dev/allow-delete";
/// Annotation on a tenant's namespace: prefixes of images that may run in it, with blanks between them; any
/// without it. The guards in the API server read it, and the next two.
pub const REGISTRIES: &str = "tenantry.dev/registries";
/// Annotation on a tenant's namespace: `true` where images must name a digest.
pub const REQUIRE_DIGESTS: &str = "tenantry.dev/require-digests";
/// Annotation on a tenant's namespace: types of Service besides `ClusterIP` that it may have, with blanks
/// between them.
pub const SERVICE_TYPES: &str = "tenantry.dev/service-types";
/// Group of who asks to get past the guards; they let it pass only if it may change them.
pub const BREAK_GLASS: &str = "tenantry:break-glass";
/// Annotation that asks for a pass now; any new value.
pub const RECONCILE_REQUESTED_AT: &str = "tenantry.dev/reconcile-requested-at";
/// Annotation on a Platform: the one commit that may be applied although it was held. Its full id where its
/// history was rewritten; `<full id>@<digest>` where the brake holds it, with the digest of what it does, so that
/// it is held again if it would do something else by now.
pub const ACKNOWLEDGE: &str = "tenantry.dev/acknowledge";
/// Annotation on a Platform: `true` computes and posts plans, and applies nothing of its source.
pub const PLAN_ONLY: &str = "tenantry.dev/plan-only";
/// Annotation on a Platform: ids of installations that are gone for good and that this one goes on in the place of, with
/// commas between them. Their tenants' keys in the store of backups are then taken for its own. Git writes no annotations
/// of Platforms: this comes from the cluster alone.
pub const ADOPT_INSTALL_IDS: &str = "tenantry.dev/adopt-install-ids";
/// Pod-template annotation that rolls a service when it changes.
pub const RESTARTED_AT: &str = "tenantry.dev/restarted-at";
/// kubectl's own restart annotation: allowed beside ours.
pub const KUBECTL_RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Field manager of children.
pub const MANAGER_CHILDREN: &str = "tenantry";
/// Field manager of `/scale` writes.
pub const MANAGER_REPLICAS: &str = "tenantry-replicas";
/// Field manager of what Git writes.
pub const MANAGER_SOURCE: &str = "tenantry-source";
/// Field manager of status writes.
pub const MANAGER_STATUS: &str = "tenantry-status";

/// ClusterRole that `members[].role: Viewer` is bound to.
pub const ROLE_VIEWER: &str = "tenantry-viewer";
/// ClusterRole that `members[].role: Editor` is bound to.
pub const ROLE_EDITOR: &str = "tenantry-editor";
/// The user that the operator is where it was installed as the manifests have it.
pub const OPERATOR: &str = "system:serviceaccount:tenantry-system:tenantry";
/// ClusterRole that lets the operator read a tenant's connection Secrets, bound in that tenant's namespace alone.
pub const ROLE_SECRET_READER: &str = "tenantry-secret-reader";
/// ClusterRole that lets the operator take snapshots of a tenant's volumes, bound in that tenant's namespace alone.
pub const ROLE_VOLUME_SOURCE: &str = "tenantry-volume-source";
/// ClusterRole that lets the operator make copies of volumes, bound in that tenant's namespace of backups alone.
pub const ROLE_VOLUME_COPIES: &str = "tenantry-volume-copies";

/// ClusterRole that lets the operator make, renew and remove the Secrets of runs, bound in the namespaces of runs alone.
pub const ROLE_RUN_SECRETS: &str = "tenantry-run-secrets";

/// How names of the operator's own objects in a tenant's namespace begin.
pub const OWN_PREFIX: &str = "tenantry-";
/// Prefix of our own label and annotation keys.
pub const OWN_KEYS: &str = "tenantry.dev/";

/// Annotation on our CRDs: digest of the schema that they were generated with.
pub const SCHEMA: &str = "tenantry.dev/schema";

//! Who must have signed what a source applies: a part of the trust root.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::approvals::Approvals;

/// Who must have signed commits. A commit that doesn't pass holds the whole source at the last revision that
/// did (`SourceSynced=False`, `UnverifiedCommit`); what is applied goes on and is healed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "(self.mode == 'None' && !has(self.approvals)) || has(self.signers)",
    "message": "signers names the ConfigMap or Secret with allowed_signers, unless mode is None and there are no approvals"
}]))]
pub struct Verification {
    /// `EveryCommit`: each commit since the last accepted revision, of merged branches too. `Head`: the newest only.
    /// `None`: no signatures. Trust starts at the revision that is applied when this is switched on; where
    /// nothing is applied yet, at the first head, which must be signed itself.
    pub mode: VerificationMode,
    /// Who may sign: an object in the operator's namespace, read at each look and never from the repository. Its key
    /// `allowed_signers` holds OpenSSH's lines (principals, options, type, key); `valid-after` and `valid-before` are UTC
    /// and judged at the committer's time. A line with `namespaces="git"` is for commits alone; approvals need
    /// `tenantry.dev/approval` there, or a line without it, and are judged at the time of the check. Its key
    /// `openpgp_keys` holds armored OpenPGP public keys (`gpg --export --armor`, a forge's own key too), for commits alone;
    /// the addresses of their User IDs are the principals. One of the two keys must be there. A stolen key is revoked by
    /// taking it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signers: Option<SignersRef>,
    /// Principals in `signers` that belong to a forge: they may sign merges whose parents are verified, and nothing else.
    /// Such a merge has to hold just what merging its parents gives. What a forge makes of a squash or a rebase doesn't
    /// pass: nobody but the forge signed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub forge_signers: Vec<String>,
    /// Who must have approved a change; nobody when absent. Who wrote a commit is known for sure only where commits are
    /// signed: use it with `mode: EveryCommit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Approvals>,
}

/// Which commits must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the field says it, and variant docs would turn the schema's enum into oneOf
pub enum VerificationMode {
    None,
    Head,
    EveryCommit,
}

/// An object with the key `allowed_signers`, or `openpgp_keys`, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignersRef {
    /// ConfigMap or Secret.
    pub kind: SignersKind,
    /// Name of the object, in the operator's namespace.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
}

/// Kind of the object that lists signers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the names say it, and variant docs would turn the schema's enum into oneOf
pub enum SignersKind {
    ConfigMap,
    Secret,
}

impl SignersKind {
    /// The name of the kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

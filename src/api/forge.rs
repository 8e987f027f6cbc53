//! Where plans of pull requests are posted: a part of the trust root.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::SecretName;

/// The forge that hosts the repository. The operator reads its open pull requests, and posts what each of them
/// would do: a comment that it keeps up to date, and the commit status `tenantry/plan/<name>`. What is applied gets
/// `tenantry/applied/<name>`. Nothing of a pull request is ever applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forge {
    /// Whose API it speaks; Forgejo speaks Gitea's.
    pub kind: ForgeKind,
    /// Base of the API, such as `https://git.example.com/api/v1`; derived from the repository's URL when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^https?://[^@?#\s]+$"))]
    pub url: Option<String>,
    /// `owner/name`, with GitLab also `group/subgroup/name`; derived from the repository's URL when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 512), regex(pattern = r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$"))]
    pub repository: Option<String>,
    /// Secret in the operator's namespace with `token`; or, for a GitHub App, `appId`, `installationId` and `privateKey`
    /// (PEM). It may read pull requests, and write comments and commit statuses.
    pub credentials: SecretName,
    /// What this Platform is called on the forge; its own name when absent. Where several clusters post to one
    /// repository, each needs a name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: Option<String>,
    /// What is posted.
    #[serde(default)]
    pub post: Post,
}

/// Whose API a forge speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the names say it, and variant docs would turn the schema's enum into oneOf
pub enum ForgeKind {
    GitHub,
    GitLab,
    Gitea,
}

/// What is posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Post {
    /// The plan, as one comment on the pull request.
    pub comment: bool,
    /// Commit statuses: success, failure where files have findings, pending where the brake would hold it.
    pub status: bool,
}

impl Default for Post {
    fn default() -> Self {
        Self { comment: true, status: true }
    }
}

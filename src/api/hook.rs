//! Who may ask a source for a look: a part of the trust root.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::SecretName;

/// Push hooks of the Git server, or of a job that runs there. They only ask for a look at the repository: nothing that
/// they say is believed. One of the two ways to sign them is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.secretRef) || has(self.oidc)",
    "message": "name the Secret with the token in secretRef, or the issuer of tokens in oidc"
}]))]
pub struct Hook {
    /// Secret whose key `token` (16 bytes or more) signs hooks; the Git server has the same token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretName>,
    /// Whose tokens are taken, as `Authorization: Bearer <JWT>`: no secret is shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,
}

/// Tokens of OpenID Connect: signed by their issuer with RS256, ES256 or EdDSA, for this audience, and about exactly
/// this subject or with exactly these claims. An issuer that signs for everybody (GitHub, gitlab.com) signs for
/// strangers, too: there the subject or a claim has to name the repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.subject) || (has(self.claims) && self.claims.size() > 0)",
        "message": "say with subject or claims whose tokens are taken: the issuer signs for others, too"
    },
    {
        "rule": "!self.issuer.startsWith('https://token.actions.githubusercontent.com') || (has(self.subject) && self.subject.startsWith('repo')) || (has(self.claims) && self.claims.exists(c, c.name == 'repository' || c.name == 'repository_id'))",
        "message": "GitHub signs for every repository: name yours with subject, or the claim repository or repository_id"
    },
    {
        "rule": "!self.issuer.startsWith('https://gitlab.com') || (has(self.subject) && self.subject.startsWith('project_path:')) || (has(self.claims) && self.claims.exists(c, c.name == 'project_path' || c.name == 'project_id'))",
        "message": "gitlab.com signs for every project: name yours with subject, or the claim project_path or project_id"
    }
]))]
pub struct Oidc {
    /// The issuer as its tokens name it: `https://token.actions.githubusercontent.com`, `https://gitlab.example.com`. Its
    /// keys are where `/.well-known/openid-configuration` below it says, on the same host.
    #[schemars(length(min = 9, max = 512), regex(pattern = r"^https://[^@?#\s]+$"))]
    pub issuer: String,
    /// Where the issuer's keys are, when they are on another host than the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 1024), regex(pattern = r"^https://[^@#\s]+$"))]
    pub jwks_uri: Option<String>,
    /// Whom tokens must be for: a word that no other service takes, such as the address of these hooks.
    #[schemars(length(min = 1, max = 255))]
    pub audience: String,
    /// What `sub` must be, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub subject: Option<String>,
    /// Claims that tokens must have with exactly these texts; all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub claims: Vec<Claim>,
    /// Secret with `ca.crt`, in PEM, that the issuer's certificate is checked against besides the system's roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<SecretName>,
}

/// A claim that a token must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// Its name: `repository`, `ref`, `project_path`.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Its text.
    #[schemars(length(min = 1, max = 512))]
    pub value: String,
}

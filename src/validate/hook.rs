//! Who may ask a source for a look, checked: what the API server's rules say too, for files that never saw it, and
//! for the operator before it believes a token.

use crate::api::hook::{Hook, Oidc};

use super::problem::{Problem, at};

const BASE: &str = "/spec/source/git/hook";

/// Issuers that sign for whoever asks: how their addresses begin, how a subject that names its repository begins, and
/// the claims that name it.
const SHARED: [(&str, &str, [&str; 2]); 2] = [
    ("https://token.actions.githubusercontent.com", "repo", ["repository", "repository_id"]),
    ("https://gitlab.com", "project_path:", ["project_path", "project_id"]),
];

/// Adds what is wrong.
pub fn check(hook: &Hook, problems: &mut Vec<Problem>) {
    if hook.secret_ref.is_none() && hook.oidc.is_none() {
        problems.push(
            Problem::new(BASE, "has neither secretRef nor oidc")
                .hint("name the Secret with the token, or the issuer of tokens"),
        );
    }
    let base = at(BASE, "oidc");
    problems.extend(hook.oidc.as_ref().and_then(|oidc| open(oidc)).map(|problem| {
        Problem::new(base, problem).hint(
            "name the repository whose jobs may call: subject, or a claim such as repository (GitHub) or project_path (GitLab)",
        )
    }));
}

/// Whether tokens pass that anybody can get, and why.
#[must_use]
pub fn open(oidc: &Oidc) -> Option<&'static str> {
    let empty = |text: &String| text.trim().is_empty();
    if oidc.issuer.trim().is_empty() || empty(&oidc.audience) {
        return Some("has an empty issuer or audience");
    }
    if oidc.subject.as_ref().is_some_and(empty)
        || oidc.claims.iter().any(|claim| empty(&claim.name) || empty(&claim.value))
    {
        return Some("has an empty subject, or an empty claim");
    }
    if oidc.subject.is_none() && oidc.claims.is_empty() {
        return Some("has neither subject nor claims: the issuer signs for others, too");
    }
    let shared = SHARED.iter().find(|(issuer, ..)| oidc.issuer.starts_with(issuer));
    let named = |(_, subject, claims): &(&str, &str, [&str; 2])| {
        oidc.subject.as_ref().is_some_and(|given| given.starts_with(subject))
            || oidc.claims.iter().any(|claim| claims.contains(&claim.name.as_str()))
    };
    shared.filter(|one| !named(one)).map(|_| "takes tokens of every repository that the issuer serves")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(hook: Value) -> String {
        let hook: Hook = serde_json::from_value(hook).expect("a hook");
        let mut problems = Vec::new();
        check(&hook, &mut problems);
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    fn oidc(issuer: &str, rest: &Value) -> String {
        let mut oidc = json!({"issuer": issuer, "audience": "https://hooks.example.com"});
        for (key, value) in rest.as_object().expect("fields") {
            oidc[key] = value.clone();
        }
        said(json!({"oidc": oidc}))
    }

    #[test]
    fn tokens_that_anybody_gets_are_refused() {
        let github = "https://token.actions.githubusercontent.com";
        let claim = |name: &str, value: &str| json!({"claims": [{"name": name, "value": value}]});
        for (issuer, good) in [
            (github, json!({"subject": "repo:acme/config:ref:refs/heads/main"})),
            (github, claim("repository", "acme/config")),
            ("https://gitlab.com", claim("project_path", "acme/config")),
            ("https://gitlab.example.com", claim("ref", "main")),
        ] {
            assert_eq!(oidc(issuer, &good), "", "{issuer} {good}");
        }
        for (issuer, open) in [
            (github, json!({})),
            (github, claim("ref", "refs/heads/main")),
            (github, json!({"subject": "ref:refs/heads/main"})),
            ("https://token.actions.githubusercontent.com/acme", claim("ref", "refs/heads/main")),
            ("https://gitlab.com", claim("ref", "main")),
            ("https://issuer.example.com", json!({})),
            ("https://issuer.example.com", json!({"subject": " "})),
            ("https://issuer.example.com", claim("ref", "")),
        ] {
            assert!(oidc(issuer, &open).starts_with("spec.source.git.hook.oidc: "), "{issuer} {open}");
        }
        assert!(said(json!({})).contains("neither secretRef nor oidc"));
        assert_eq!(said(json!({"secretRef": {"name": "hook"}})), "");
    }
}

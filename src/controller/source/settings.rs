//! A Platform's source → what the source room works with: its Secrets read, its limits in numbers.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    api::{Platform, platform::GitSource, quantity::Quantity},
    observe::secrets,
    source::{Credentials, DeployKey, Limits, Reference, Secret, Settings, SourceError},
};

use super::super::{context::Context, forge::access::git_token};

/// Longest time for one resolve or one fetch.
const DEADLINE: Duration = Duration::from_secs(120);

/// What a Secret is for, in errors.
const CREDENTIALS: &str = "credentials";
const CA: &str = "CA certificates";

/// The Platform's source with its Secrets read.
pub(in crate::controller) async fn settings(
    ctx: &Context,
    platform: &Platform,
) -> Result<Settings, SourceError> {
    let name = platform.metadata.name.as_deref().unwrap_or_default();
    let Some(source) = &platform.spec.source else {
        return Err(SourceError::InvalidReference {
            reference: String::new(),
            problem: "there is no source",
        });
    };
    let git = &source.git;
    let credentials = match &git.credentials {
        Some(secret) => Some(credentials(ctx, git, &secret.name).await?),
        None => None,
    };
    let ca_pem = match &git.ca {
        Some(secret) => Some(value(ctx, &secret.name, "ca.crt").await?),
        None => None,
    };
    Ok(Settings {
        url: git.url.clone(),
        reference: reference(git),
        path: git.path.clone().unwrap_or_default(),
        platform_path: git.platform_path.clone(),
        credentials,
        ca_pem,
        limits: limits(git),
        deadline: DEADLINE,
        repository: ctx.sources().join(name),
        program: None,
    })
}

fn reference(git: &GitSource) -> Reference {
    match (&git.commit, &git.tag, &git.branch) {
        (Some(commit), ..) => Reference::Commit(commit.clone()),
        (None, Some(tag), _) => Reference::Tag(tag.clone()),
        (None, None, branch) => Reference::Branch(branch.clone().unwrap_or_else(|| "main".to_owned())),
    }
}

fn limits(git: &GitSource) -> Limits {
    let bytes = |quantity: &Quantity, default: u64| {
        let milli = quantity.milli().map(|milli| milli.0 / 1000).unwrap_or_default();
        u64::try_from(milli).ok().filter(|bytes| *bytes > 0).unwrap_or(default)
    };
    let defaults = Limits::default();
    Limits {
        repository_bytes: bytes(&git.limits.repository_bytes, defaults.repository_bytes),
        file_bytes: bytes(&git.limits.file_bytes, defaults.file_bytes),
        files: usize::try_from(git.limits.files).unwrap_or(defaults.files),
        depth: usize::try_from(git.limits.depth).unwrap_or(defaults.depth),
        ..defaults
    }
}

async fn credentials(ctx: &Context, git: &GitSource, name: &str) -> Result<Credentials, SourceError> {
    let values = texts(ctx, CREDENTIALS, name).await?;
    if values.contains_key("appId") {
        let token = git_token(ctx, git, &values).await;
        let token = token.map_err(|error| secret_error(CREDENTIALS, error.to_string()))?;
        // GitHub's word for whoever comes with an installation's token.
        let username = "x-access-token".to_owned();
        return Ok(Credentials::Basic { username, password: Secret::new(token.expose()) });
    }
    if let Some(token) = values.get("token") {
        return Ok(Credentials::Bearer(Secret::new(token.trim())));
    }
    if let Some(key) = DeployKey::of(&values) {
        let wrong = |problem| secret_error(CREDENTIALS, format!("Secret {}/{name} {problem}", ctx.namespace));
        return key.map(Credentials::DeployKey).map_err(wrong);
    }
    match (values.get("username"), values.get("password")) {
        (Some(username), Some(password)) => Ok(Credentials::Basic {
            username: username.trim().to_owned(),
            password: Secret::new(password.trim()),
        }),
        _ => Err(secret_error(
            CREDENTIALS,
            format!(
                "Secret {}/{name} needs the keys username and password, or token, or appId, installationId and privateKey, or ssh-privatekey and known_hosts",
                ctx.namespace
            ),
        )),
    }
}

async fn value(ctx: &Context, name: &str, key: &str) -> Result<String, SourceError> {
    let mut values = texts(ctx, CA, name).await?;
    values
        .remove(key)
        .ok_or_else(|| secret_error(CA, format!("Secret {}/{name} has no key {key}", ctx.namespace)))
}

async fn texts(
    ctx: &Context,
    what: &'static str,
    name: &str,
) -> Result<BTreeMap<String, String>, SourceError> {
    let read = secrets::texts(&ctx.client, &ctx.namespace, name).await;
    read.map_err(|error| secret_error(what, error.to_string()))
}

fn secret_error(what: &'static str, problem: String) -> SourceError {
    SourceError::InvalidSecret { what, problem }
}

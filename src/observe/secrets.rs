//! Secrets and lists of signers in the operator's own namespace, by name. Nothing of them is ever logged or put into a status.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use serde_json::{Map, Value};

use crate::{
    api::{
        common::SecretName,
        verification::{SignersKind, SignersRef},
    },
    runtime::call::{CallError, deadline},
    validate::ground::PullSecret,
};

use super::watch::READ_DEADLINE;

/// Time between two looks at the same Secrets.
pub const REFRESH: Duration = Duration::from_secs(600);

/// The key of a list of signers.
const SIGNERS: &str = "allowed_signers";
const OPENPGP: &str = "openpgp_keys";

/// Why a Secret can't be used. Says which, never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It can't be read.
    #[error("{kind} {namespace}/{name} can't be read: {source}; create it, or allow the operator to get it")]
    Unreadable {
        /// Its kind.
        kind: &'static str,
        /// The operator's namespace.
        namespace: String,
        /// The Secret.
        name: String,
        /// Why.
        #[source]
        source: CallError,
    },
    /// It has no list of signers.
    #[error(
        "{kind} {namespace}/{name} has neither the key {SIGNERS} nor {OPENPGP} with text; write OpenSSH's allowed-signers lines there, or armored OpenPGP public keys"
    )]
    NoSigners {
        /// Its kind.
        kind: &'static str,
        /// The operator's namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// It lacks a key, or the key's value isn't what it should be.
    #[error("Secret {namespace}/{name} {problem}")]
    Wrong {
        /// The operator's namespace.
        namespace: String,
        /// The Secret.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
}

fn unreadable(kind: &'static str, namespace: &str, name: &str, source: CallError) -> SecretError {
    SecretError::Unreadable { kind, namespace: namespace.to_owned(), name: name.to_owned(), source }
}

/// A Secret's values, and its version.
async fn read(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<(BTreeMap<String, Vec<u8>>, String), SecretError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = deadline(READ_DEADLINE, api.get(name)).await;
    let secret = secret.map_err(|source| unreadable("Secret", namespace, name, source))?;
    let version = format!(
        "{}/{}",
        secret.metadata.uid.unwrap_or_default(),
        secret.metadata.resource_version.unwrap_or_default()
    );
    let data = secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();
    Ok((data, version))
}

/// A Secret's values as text; those that aren't UTF-8 are left out.
///
/// # Errors
/// The Secret can't be read.
pub async fn texts(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<BTreeMap<String, String>, SecretError> {
    let (data, _) = read(client, namespace, name).await?;
    Ok(data.into_iter().filter_map(|(key, value)| Some((key, String::from_utf8(value).ok()?))).collect())
}

/// Who may sign, as it is written: at least one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignerLists {
    /// OpenSSH's allowed-signers lines.
    pub ssh: Option<String>,
    /// Armored OpenPGP public keys.
    pub openpgp: Option<String>,
}

/// The lists of signers that a Platform names.
///
/// # Errors
/// The object can't be read, or has neither list.
pub async fn signers(
    client: &Client,
    namespace: &str,
    from: &SignersRef,
) -> Result<SignerLists, SecretError> {
    let name = from.name.as_str();
    let mut values = match from.kind {
        SignersKind::Secret => texts(client, namespace, name).await?,
        SignersKind::ConfigMap => {
            let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
            let found = deadline(READ_DEADLINE, api.get(name)).await;
            let found = found.map_err(|source| unreadable(from.kind.as_str(), namespace, name, source))?;
            found.data.unwrap_or_default()
        }
    };
    let lists = SignerLists { ssh: values.remove(SIGNERS), openpgp: values.remove(OPENPGP) };
    if lists == SignerLists::default() {
        let (kind, namespace, name) = (from.kind.as_str(), namespace.to_owned(), name.to_owned());
        return Err(SecretError::NoSigners { kind, namespace, name });
    }
    Ok(lists)
}

/// Puts several Docker configuration Secrets together into one: so a tenant's namespace needs one Secret
/// under one name, and RBAC can name it. Where two know a registry, the first in the list wins.
///
/// # Errors
/// One of them can't be read, or isn't a Docker configuration.
pub async fn pull_secret(
    client: &Client,
    namespace: &str,
    references: &[SecretName],
) -> Result<Option<PullSecret>, SecretError> {
    let mut auths = Map::new();
    let mut versions = Vec::new();
    for reference in references {
        let (data, version) = read(client, namespace, &reference.name).await?;
        let wrong = |problem| SecretError::Wrong {
            namespace: namespace.to_owned(),
            name: reference.name.clone(),
            problem,
        };
        let config = data.get(".dockerconfigjson").ok_or_else(|| {
            wrong("has no key .dockerconfigjson; make it with kubectl create secret docker-registry")
        })?;
        let config: Value =
            serde_json::from_slice(config).map_err(|_| wrong("has a .dockerconfigjson that is not JSON"))?;
        let Some(found) = config.get("auths").and_then(Value::as_object) else {
            return Err(wrong("has a .dockerconfigjson without auths"));
        };
        for (registry, auth) in found {
            auths.entry(registry.clone()).or_insert_with(|| auth.clone());
        }
        versions.push(version);
    }
    let mut config = Map::new();
    config.insert("auths".to_owned(), Value::Object(auths));
    Ok(Some(PullSecret { config: Value::Object(config).to_string(), version: versions.join(",") }))
}

//! What a Platform's backups need of Secrets: where its store is, who may ask it, and what Tenants' keys are wrapped with.

use crate::{
    api::{backup::Backups, conditions::reasons},
    backup::{
        key::SecretKey,
        layout::Place,
        store::{policy::Role, scoped},
        task::Work,
    },
    controller::context::Context,
    observe::secrets::{self, SecretError},
    store::{
        Credentials, Store, StoreAddress,
        access::{Access, Base, RoleAddress},
        verdict::Judgement,
    },
};

/// What a look at the Secrets gave.
pub(super) struct Open {
    pub(super) platform: String,
    pub(super) backups: Backups,
    pub(super) address: StoreAddress,
    pub(super) access: Access,
    pub(super) store: Store,
    pub(super) key: SecretKey,
}

impl Open {
    /// A Tenant's part of the store.
    pub(super) fn place(&self, tenant: &str) -> Place {
        Place::of(&self.backups.store.prefix, &self.platform, tenant)
    }

    /// Credentials of one run.
    pub(super) async fn credentials(
        &self,
        place: &Place,
        session: &str,
        work: &Work,
    ) -> Result<Credentials, String> {
        let life = self.backups.run_deadline.0;
        let made = scoped(&self.access, (Role::of(work), place), session, life).await;
        made.map(|made| made.credentials).map_err(|error| error.to_string())
    }
}

/// Why there is no [`Open`].
pub(super) enum Shut {
    /// The API server doesn't answer now: that says nothing of the Secrets.
    Passing(String),
    /// This is wrong.
    Wrong(Judgement),
}

impl From<SecretError> for Shut {
    fn from(error: SecretError) -> Self {
        let text = error.to_string();
        match error {
            SecretError::Unreadable { source, .. } if source.is_ambiguous() || source.is_throttled() => {
                Self::Passing(text)
            }
            _ => Self::Wrong(Judgement::no(reasons::INPUT_UNREADABLE, text)),
        }
    }
}

/// Reads the Secrets that the Platform names.
///
/// # Errors
/// As [`Shut`].
pub(super) async fn open(ctx: &Context, platform: &str, backups: &Backups) -> Result<Open, Shut> {
    let unreadable = |problem: String| Shut::Wrong(Judgement::no(reasons::INPUT_UNREADABLE, problem));
    let read = async |name: &str| secrets::texts(&ctx.client, &ctx.namespace, name).await;
    let wrong = |name: &str, what: &str| unreadable(format!("Secret {}/{name} {what}", ctx.namespace));
    let ca = match &backups.store.ca {
        Some(secret) => {
            let found = read(&secret.name).await?.remove("ca.crt");
            Some(found.ok_or_else(|| wrong(&secret.name, "has no ca.crt"))?)
        }
        None => None,
    };
    let base = match &backups.store.credentials {
        Some(secret) => {
            let values = read(&secret.name).await?;
            let part = |key: &str| values.get(key).map(String::as_str);
            let (Some(id), Some(key)) = (part("aws-access-key-id"), part("aws-secret-access-key")) else {
                return Err(wrong(&secret.name, "has no aws-access-key-id, or no aws-secret-access-key"));
            };
            let given = Credentials::new(id, key, part("aws-session-token"));
            Base::Given(given.map_err(|error| wrong(&secret.name, &format!("can't be used: {error}")))?)
        }
        None => Base::Pod,
    };
    let secret = &backups.key.secret.name;
    let text = read(secret).await?.remove("key").ok_or_else(|| wrong(secret, "has no key"))?;
    let key = SecretKey::parse(&text).map_err(|error| wrong(secret, &error.to_string()))?;
    let address = StoreAddress::of(&backups.store, ca);
    let role = backups.store.role.as_ref().map(|role| RoleAddress {
        arn: role.arn.clone(),
        external_id: role.external_id.clone(),
        endpoint: role.sts_endpoint.clone(),
    });
    let access = Access::new(address.clone(), base, role);
    let store = access.store().await.map_err(|error| Shut::Wrong(Judgement::failed(&error)))?;
    Ok(Open { platform: platform.to_owned(), backups: backups.clone(), address, access, store, key })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::runtime::call::CallError;

    #[test]
    fn an_api_server_that_does_not_answer_now_says_nothing_of_a_secret() {
        let passes = |source: CallError| {
            let (kind, namespace, name) = ("Secret", "tenantry-system".to_owned(), "store-keys".to_owned());
            let error = SecretError::Unreadable { kind, namespace, name, source };
            matches!(Shut::from(error), Shut::Passing(text) if text.contains("store-keys"))
        };
        let wait = Some(Duration::from_secs(1));
        assert!(passes(CallError::TooManyRequests { retry_after: wait, message: "later".into() }));
        assert!(passes(CallError::Timeout(Duration::from_secs(10))));
        assert!(!passes(CallError::NotFound("no such Secret".into())));
        assert!(!passes(CallError::Forbidden("get secrets".into())));
    }
}

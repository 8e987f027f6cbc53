//! Who asks the store: the operator itself, and each run for its tenant's folder alone.

use std::future::Future;
use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_s3::config::BehaviorVersion;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Region;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::address::{StoreAddress, Written};
use super::{Class, Credentials, DEADLINE, Store, StoreError, place, signing, wire};

/// Shortest and longest life of assumed credentials, in seconds: STS gives less than an hour only from fifteen minutes
/// on, and one role that assumes another an hour at most.
const LIFE: std::ops::RangeInclusive<u64> = 900..=3600;

/// What credentials must last at least when somebody begins to use them.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// Where credentials come from.
#[derive(Clone, Debug)]
pub enum Base {
    /// A Secret.
    Given(Credentials),
    /// What the platform gives the operator's pod: web identity, or its node's.
    Pod,
}

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleAddress {
    /// `arn:aws:iam::…:role/…`.
    pub arn: String,
    /// What its trust policy asks for.
    pub external_id: Option<String>,
    /// Token service; AWS' own for the region when absent.
    pub endpoint: Option<String>,
}

/// Credentials for one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scoped {
    /// What the run gets.
    pub credentials: Credentials,
    /// Whether they are those of the whole Platform, since there is no role to assume.
    pub shared: bool,
}

/// Who may ask a store, and how.
#[derive(Debug)]
pub struct Access {
    address: StoreAddress,
    base: Base,
    role: Option<RoleAddress>,
    own: Mutex<Option<Credentials>>,
}

impl Access {
    /// Asks nothing yet.
    #[must_use]
    pub fn new(address: StoreAddress, base: Base, role: Option<RoleAddress>) -> Self {
        Self { address, base, role, own: Mutex::new(None) }
    }

    /// Whether runs get credentials for their tenant's folder alone.
    #[must_use]
    pub fn is_scoped(&self) -> bool {
        self.role.is_some()
    }

    /// The store as the operator sees it, with credentials that last a few minutes at least.
    ///
    /// # Errors
    /// No credentials can be had.
    pub async fn store(&self) -> Result<Store, StoreError> {
        let mut own = self.own.lock().await;
        let credentials = match own.take().filter(|kept| kept.last(Timestamp::now(), MARGIN)) {
            Some(kept) => kept,
            None => self.credentials("tenantry", None, *LIFE.end()).await?,
        };
        let store = Store::open(&self.address, &credentials);
        *own = Some(credentials);
        store
    }

    /// The role that is assumed.
    #[must_use]
    pub fn role(&self) -> Option<&RoleAddress> {
        self.role.as_ref()
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.address.bucket
    }

    /// Credentials that may do what the session policy says, and nothing that the role may not; where there is no role
    /// they are those of everybody. `session` shows in the account's trail.
    ///
    /// # Errors
    /// No credentials can be had.
    pub async fn narrowed(
        &self,
        policy: Option<String>,
        session: &str,
        life: Duration,
    ) -> Result<Scoped, StoreError> {
        let credentials = self.credentials(session, policy, life.as_secs()).await?;
        Ok(Scoped { credentials, shared: self.role.is_none() })
    }

    async fn credentials(
        &self,
        session: &str,
        policy: Option<String>,
        life: u64,
    ) -> Result<Credentials, StoreError> {
        let base = self.base().await?;
        let Some(role) = &self.role else { return Ok(base) };
        let life = i32::try_from(life.clamp(*LIFE.start(), *LIFE.end())).unwrap_or(i32::MAX);
        let request = self
            .tokens(role, &base)?
            .assume_role()
            .role_arn(&role.arn)
            .role_session_name(session_name(session))
            .set_external_id(role.external_id.clone())
            .set_policy(policy)
            .duration_seconds(life);
        let answer = self.in_time(request.send()).await?.map_err(|error| {
            let (class, said) = wire::failure(&error);
            self.fault(class, said)
        })?;
        let given =
            answer.credentials.ok_or_else(|| self.fault(Class::Unexpected, "it has no credentials"))?;
        let end = Timestamp::new(given.expiration.secs(), 0);
        let end = end.map_err(|_| self.fault(Class::Unexpected, "it has no end"))?;
        let fit =
            Credentials::new(&given.access_key_id, &given.secret_access_key, Some(&given.session_token));
        Ok(fit.map_err(|error| self.fault(Class::Unexpected, error.to_string()))?.until(end))
    }

    /// The account that the credentials are of before any role is assumed; `None` where there is no role, and so nobody
    /// to ask.
    ///
    /// # Errors
    /// The token service refuses.
    pub async fn account(&self) -> Result<Option<String>, StoreError> {
        let Some(role) = &self.role else { return Ok(None) };
        let request = self.tokens(role, &self.base().await?)?.get_caller_identity();
        let answer = self.in_time(request.send()).await?.map_err(|error| {
            let (class, said) = wire::failure(&error);
            self.fault(class, said)
        })?;
        Ok(answer.account)
    }

    async fn base(&self) -> Result<Credentials, StoreError> {
        match &self.base {
            Base::Given(given) => Ok(given.clone()),
            Base::Pod => self.pod().await,
        }
    }

    /// The token service, as `base`.
    fn tokens(&self, role: &RoleAddress, base: &Credentials) -> Result<Client, StoreError> {
        let endpoint = role.endpoint.as_deref();
        let http = wire::client(endpoint, self.address.ca.as_deref());
        let http = http.map_err(|error| self.fault(Class::Tls, error.to_string()))?;
        let mut config = aws_sdk_sts::config::Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.address.region.clone()))
            .credentials_provider(signing(base))
            .http_client(http)
            .timeout_config(wire::timeouts())
            .retry_config(wire::retries());
        config.set_endpoint_url(endpoint.map(str::to_owned));
        Ok(Client::from_conf(config.build()))
    }

    /// The pod's own.
    async fn pod(&self) -> Result<Credentials, StoreError> {
        let region = Region::new(self.address.region.clone());
        let chain = DefaultCredentialsChain::builder().region(region).build();
        let found = self.in_time(async { chain.await.provide_credentials().await }).await?;
        let found = found.map_err(|_| {
            self.fault(
                Class::BadCredentials,
                match self.address.written {
                    Written::Platform => {
                        "the operator's pod has none; name a Secret in spec.backups.store.credentials, or give its service account a web identity"
                    }
                    Written::Flags => {
                        "there are none; name them by --credentials, or give the pod's service account a web identity"
                    }
                },
            )
        })?;
        let token = found.session_token();
        let fit = Credentials::new(found.access_key_id(), found.secret_access_key(), token);
        let fit = fit.map_err(|error| self.fault(Class::BadCredentials, error.to_string()))?;
        let end = found.expiry().and_then(|end| Timestamp::try_from(end).ok());
        Ok(end.map_or(fit.clone(), |end| fit.until(end)))
    }

    async fn in_time<T>(&self, call: impl Future<Output = T>) -> Result<T, StoreError> {
        let late = |_| self.fault(Class::Timeout(DEADLINE), "");
        tokio::time::timeout(DEADLINE, call).await.map_err(late)
    }

    pub(crate) fn fault(&self, class: Class, said: impl Into<String>) -> StoreError {
        let at = match &self.role {
            Some(role) => {
                let host = role.endpoint.as_deref().unwrap_or("AWS");
                format!("role {} at {host}", role.arn)
            }
            None => place(&self.address, ""),
        };
        StoreError {
            class,
            action: "get credentials of",
            place: at,
            said: said.into(),
            written: self.address.written,
        }
    }
}

/// What STS takes for a name: 64 characters of a few kinds.
fn session_name(text: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() || "=,.@-".contains(c) { c } else { '-' };
    text.chars().take(64).map(fit).collect()
}

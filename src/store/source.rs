//! Credentials that are renewed while a run goes on: whoever uses them asks again before they end.

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, error, future};

use super::{Credentials, signing};

/// Where they are, now.
pub trait Source: std::fmt::Debug + Send + Sync + 'static {
    /// Those that count now; `None` when there are none that can be ones.
    fn now(&self) -> Option<Credentials>;
}

pub(super) fn provider(source: impl Source) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Asked(source))
}

/// The library asks it shortly before what it said last ends, and for each request after that.
#[derive(Debug)]
struct Asked<S>(S);

impl<S: Source> ProvideCredentials for Asked<S> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let none = || error::CredentialsError::not_loaded("the run has no credentials for the store");
        future::ProvideCredentials::ready(self.0.now().map(|now| signing(&now)).ok_or_else(none))
    }
}

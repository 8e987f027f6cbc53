//! The client of the API server: where it connects to, what it may do at once.
//!
//! kube's own retries are off: they can hold one call for minutes. A call has a
//! deadline (`call::deadline`), a failed pass goes back to the queue. A server that
//! asks everybody to wait is asked nothing meanwhile.

mod gate;
mod shut;

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::Client;
use kube::client::ClientBuilder;
use kube::config::{Config, InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};

use self::gate::Gate;
use super::health::Health;
use super::metrics::Metrics;

/// Time to connect, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// Time to write a request.
const WRITE: Duration = Duration::from_secs(30);
/// Calls under way at once, watches not counted.
pub const IN_FLIGHT: usize = 32;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kubeconfig cannot be used.
    #[error("cannot use the kubeconfig{}", of_file(.path.as_deref()))]
    Kubeconfig {
        /// The file that was asked for, if one was.
        path: Option<PathBuf>,
        /// Why.
        #[source]
        source: Box<KubeconfigError>,
    },
    /// We seem to run in a Pod, and its service account cannot be used.
    #[error("cannot use the service account of this Pod")]
    InCluster(#[source] Box<InClusterError>),
    /// The configuration makes no client: a wrong certificate, say.
    #[error("cannot make a client from the configuration")]
    Build(#[source] Box<kube::Error>),
}

fn of_file(path: Option<&Path>) -> String {
    path.map(|path| format!(" {}", path.display())).unwrap_or_default()
}

/// Which cluster, as given on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
}

impl Target {
    /// Finds the cluster's address and credentials as kubectl does: the file
    /// given, else `KUBECONFIG`, else `~/.kube/config`, else the Pod's service
    /// account. A file that exists and is broken is an error, never passed over.
    ///
    /// # Errors
    /// [`ClientError::Kubeconfig`] or [`ClientError::InCluster`].
    pub async fn config(&self) -> Result<Config, ClientError> {
        let wrong =
            |source| ClientError::Kubeconfig { path: self.kubeconfig.clone(), source: Box::new(source) };
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = match &self.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(wrong)?;
                Config::from_custom_kubeconfig(file, &options).await.map_err(wrong)?
            }
            None => match Config::from_kubeconfig(&options).await {
                Ok(config) => config,
                Err(error) if self.may_be_in_cluster(&error) => {
                    Config::incluster().map_err(|error| ClientError::InCluster(Box::new(error)))?
                }
                Err(error) => return Err(wrong(error)),
            },
        };
        Ok(bounded(config))
    }

    fn may_be_in_cluster(&self, error: &KubeconfigError) -> bool {
        let given = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let missing = match error {
            KubeconfigError::FindPath => true,
            KubeconfigError::ReadConfig(error, _) => error.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        };
        missing && self.context.is_none() && !given("KUBECONFIG") && given("KUBERNETES_SERVICE_HOST")
    }
}

fn bounded(mut config: Config) -> Config {
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(WRITE);
    config.read_timeout = None; // watches; the others have a deadline of their own
    config.default_retry = false;
    config
}

/// A client whose calls are counted by verb and outcome, with at most
/// `in_flight` under way at once; watches are not limited. Installs the
/// process-wide TLS provider if there is none.
///
/// The Lease needs a client of its own, so that it never queues behind others.
///
/// # Errors
/// [`ClientError::Build`].
pub fn client(
    config: Config,
    metrics: &Metrics,
    health: &Health,
    in_flight: usize,
) -> Result<Client, ClientError> {
    install_tls_provider();
    let builder = ClientBuilder::try_from(bounded(config));
    let builder = builder.map_err(|error| ClientError::Build(Box::new(error)))?;
    Ok(builder.with_layer(&Gate::new(metrics.clone(), health.clone(), in_flight)).build())
}

/// Makes aws-lc-rs the TLS provider of this process; the first call counts.
pub fn install_tls_provider() {
    // An error says that there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

#[cfg(test)]
mod tests;

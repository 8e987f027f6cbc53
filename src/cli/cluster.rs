//! What the subcommands that ask a cluster share.

use std::path::PathBuf;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;

use crate::{
    observe::watch::READ_DEADLINE,
    runtime::{
        api_client::{self, Target},
        call::{self, CallError},
        health::Health,
        lease::NAME,
        metrics::Metrics,
    },
    status::reader::{Heartbeat, Operator},
};

/// Calls at once.
const IN_FLIGHT: usize = 4;

/// Which cluster.
#[derive(Debug, clap::Args)]
pub struct ClusterArgs {
    /// Kubeconfig file; otherwise KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context in the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The operator's own namespace, which holds its Lease
    #[arg(long, value_name = "NAME", default_value = "tenantry-system")]
    pub namespace: String,
}

/// A connection, and whether what it shows can be believed.
#[allow(missing_debug_implementations)] // a Client has none
pub struct Connection {
    /// The client.
    pub client: Client,
    /// Whether the operator keeps statuses true.
    pub operator: Operator,
    /// The API server's time: the reader's own clock may be wrong.
    pub now: Timestamp,
}

impl ClusterArgs {
    /// Connects, and looks at the operator's Lease.
    ///
    /// # Errors
    /// The kubeconfig can't be used, or the API server doesn't answer.
    pub async fn connect(&self) -> Result<Connection, Box<dyn std::error::Error>> {
        self.connect_as(None).await
    }

    /// The same as another user, where one is given.
    ///
    /// # Errors
    /// As [`ClusterArgs::connect`].
    pub async fn connect_as(&self, user: Option<&str>) -> Result<Connection, Box<dyn std::error::Error>> {
        let target = Target { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() };
        let mut config = target.config().await?;
        if let Some(user) = user {
            config.auth_info.impersonate = Some(user.to_owned());
            // The kubeconfig's groups are another user's; the API server adds a service account's own.
            config.auth_info.impersonate_groups = None;
        }
        let client = api_client::client(config, &Metrics::new(), &Health::default(), IN_FLIGHT)?;
        let (lease, now) = self.lease(&client).await?;
        let name = format!("{}/{NAME}", self.namespace);
        let operator = Operator::of(&name, &lease, now);
        Ok(Connection { client, operator, now })
    }

    /// The Lease, and the time that the API server's answer carries.
    async fn lease(
        &self,
        client: &Client,
    ) -> Result<(Result<Option<Heartbeat>, String>, Timestamp), CallError> {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/{NAME}", self.namespace);
        let request = http::Request::get(path).body(kube::client::Body::empty());
        let request = request.map_err(|error| CallError::Invalid(format!("namespace: {error}")))?;
        let answer = call::deadline(READ_DEADLINE, client.send(request)).await?;
        let date = answer.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
        let now = date.and_then(http_date).unwrap_or_else(Timestamp::now);
        let code = answer.status().as_u16();
        let body = call::deadline(READ_DEADLINE, answer.into_body().collect_bytes()).await?;
        let lease = match code {
            200 => serde_json::from_slice(&body).map(|lease| Some(beat(lease))).map_err(|e| e.to_string()),
            404 => Ok(None),
            401 => return Err(CallError::Unauthorized("check the kubeconfig's credentials".to_owned())),
            403 => Err("forbidden; ask for the right to get it".to_owned()),
            code => Err(format!("the API server answered {code}")),
        };
        Ok((lease, now))
    }
}

fn beat(lease: Lease) -> Heartbeat {
    let spec = lease.spec.unwrap_or_default();
    Heartbeat {
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        renewed: spec.renew_time.map(|time| time.0),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp())
}

/// A runtime for a command that asks a few things and ends.
///
/// # Errors
/// The system gives no more resources.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_time_is_read() {
        let time = http_date("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(time.map(|time| time.to_string()).as_deref(), Some("1994-11-06T08:49:37Z"));
        assert_eq!(http_date("soon"), None);
    }
}

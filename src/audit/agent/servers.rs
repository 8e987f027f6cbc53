//! An API server, asked: for the id of a request of ours, and for what it counts.

use http::Request;
use kube::client::Body;
use kube::{Client, Config};

use crate::audit::complete::counters::Counted;
use crate::runtime::call::{CallError, READ_DEADLINE, deadline, report};

/// What the canary asks for: nothing that is there. An agent without any right is refused, and that is logged as well.
pub const CANARY: &str = "/api/v1/namespaces/kube-system/configmaps/tenantry-audit-canary";
/// What the API server calls an event's id in its answers.
const AUDIT_ID: &str = "Audit-Id";

/// One instance.
#[derive(Clone)]
pub struct ApiServer {
    address: String,
    client: Client,
}

impl ApiServer {
    /// An instance at an address, with the credentials of the cluster.
    ///
    /// # Errors
    /// The address is none, or there are no credentials.
    pub fn new(config: &Config, url: &str) -> Result<Self, String> {
        let wrong = |error: &dyn std::error::Error| format!("--apiserver {url}: {}", report(error));
        let uri: http::Uri = url.parse().map_err(|error| wrong(&error))?;
        let address = uri.authority().map(ToString::to_string).unwrap_or_default();
        if address.is_empty() || uri.scheme_str() != Some("https") {
            return Err(format!("--apiserver {url}: write https://ADDRESS:PORT"));
        }
        let mut config = config.clone();
        config.cluster_url = uri;
        Ok(Self { address, client: Client::try_from(config).map_err(|error| wrong(&error))? })
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Makes a request that is worth an event, and gives the event's id.
    ///
    /// # Errors
    /// The API server doesn't answer, or logs nothing: in words.
    pub async fn canary(&self) -> Result<String, String> {
        let request = Request::get(CANARY).body(Body::empty()).map_err(|error| error.to_string())?;
        let answer = deadline(READ_DEADLINE, self.client.send(request)).await.map_err(words)?;
        audit_id(&answer).ok_or_else(|| {
            "its answers have no Audit-Id: it has no audit policy (--audit-policy-file), or one that leaves everything out"
                .to_owned()
        })
    }

    /// What it counts, and the id of the question's own events.
    ///
    /// # Errors
    /// It doesn't answer, or refuses: in words.
    pub async fn counted(&self) -> Result<(Counted, Option<String>), String> {
        let request = Request::get("/metrics").body(Body::empty()).map_err(|error| error.to_string())?;
        let asked = async {
            let answer = self.client.send(request).await?;
            let (id, status) = (audit_id(&answer), answer.status());
            Ok::<_, kube::Error>((id, status, answer.into_body().collect_bytes().await?))
        };
        let (id, status, body) = deadline(READ_DEADLINE, asked).await.map_err(words)?;
        if !status.is_success() {
            return Err(format!(
                "GET /metrics: {status}; see the agent's ClusterRole in manifests/audit/rbac.yaml"
            ));
        }
        let counted = Counted::parse(&String::from_utf8_lossy(&body));
        Ok((counted.ok_or("its metrics have no apiserver_audit_event_total")?, id))
    }
}

fn audit_id(answer: &http::Response<Body>) -> Option<String> {
    answer.headers().get(AUDIT_ID).and_then(|id| id.to_str().ok()).map(str::to_owned)
}

#[allow(clippy::needless_pass_by_value, reason = "map_err gives it")]
fn words(error: CallError) -> String {
    report(&error)
}

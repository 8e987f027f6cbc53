//! Tries what must be refused, by dry run, as the ServiceAccount tenantry-prober: the guards let the operator itself
//! pass, and it may impersonate nobody. A policy in the API server lets the prober do nothing but dry runs, and the
//! network probe's pod in the probe's own namespace (manifests/install/prober.yaml).

use std::time::{Duration, Instant};

use http::{Method, Request};
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, TokenRequest};
use kube::{Client, config::AuthInfo};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::runtime::{
    api_client,
    call::{CallError, READ_DEADLINE, deadline},
    health::Health,
    metrics::Metrics,
};

use super::{
    judge::{Trial, by_guard, by_pod_security},
    reviews::Pace,
    stage,
};

/// Seconds that a token is good for: the least that the API server gives.
const TOKEN_SECONDS: u32 = 600;
/// Time after which a new one is asked for.
const RENEW: Duration = Duration::from_secs(480);

/// What a prober is made of.
#[derive(Clone)]
pub struct Settings {
    /// Where the API server is; the operator's own credentials in it are left out.
    pub config: kube::Config,
    /// The operator's namespace.
    pub namespace: String,
    /// Figures.
    pub metrics: Metrics,
    /// Of the operator.
    pub health: Health,
}

/// Somebody who may only try.
pub struct Prober {
    settings: Settings,
    client: Option<(Client, Instant)>,
}

/// What came of trying.
pub struct Tried {
    /// A privileged pod.
    pub privileged_pod: Trial,
    /// Another Pod Security level.
    pub level: Trial,
    /// Another Tenant's name.
    pub marks: Trial,
}

impl Prober {
    /// A prober without a token yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, client: None }
    }

    /// A client that is the prober, and nobody else; `operator` asks for its token.
    ///
    /// # Errors
    /// There is no such ServiceAccount, or the API server takes the client for somebody else.
    pub async fn client(&mut self, operator: &Client) -> Result<Client, CallError> {
        if let Some((client, since)) = &self.client
            && since.elapsed() < RENEW
        {
            return Ok(client.clone());
        }
        self.client = None;
        let namespace = &self.settings.namespace;
        let uri = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{}/token", stage::PROBER);
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": TOKEN_SECONDS},
        });
        let answer: TokenRequest = send(operator, Method::POST, &uri, JSON, &body).await?;
        let token = answer.status.map(|status| status.token).unwrap_or_default();
        let mut config = self.settings.config.clone();
        config.auth_info = AuthInfo { token: Some(token.into()), ..AuthInfo::default() };
        let made = api_client::client(config, &self.settings.metrics, &self.settings.health, 1);
        let client = made.map_err(|error| CallError::Invalid(error.to_string()))?;
        let uri = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let review: SelfSubjectReview = send(&client, Method::POST, uri, JSON, &body).await?;
        let user = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
        let wanted = format!("system:serviceaccount:{namespace}:{}", stage::PROBER);
        // Trials of somebody whom the guards let pass would prove nothing.
        if user.as_ref() != Some(&wanted) {
            let user = user.unwrap_or_default();
            return Err(CallError::Invalid(format!("the API server takes {wanted} for {user}")));
        }
        self.client = Some((client.clone(), Instant::now()));
        Ok(client)
    }

    /// Tries in a tenant's namespace what must be refused there.
    ///
    /// # Errors
    /// The API server gives no answer.
    pub async fn tamper(
        &mut self,
        operator: &Client,
        namespace: &str,
        registries: &[String],
        pace: &mut Pace,
    ) -> Result<Tried, CallError> {
        let client = match self.client(operator).await {
            Ok(client) => client,
            Err(error) => {
                let words = format!(
                    "ServiceAccount {}/{}: {}",
                    self.settings.namespace,
                    stage::PROBER,
                    answered(error)?
                );
                let unclear = || Trial::Unclear(words.clone());
                return Ok(Tried { privileged_pod: unclear(), level: unclear(), marks: unclear() });
            }
        };
        let pod = stage::privileged_pod(registries);
        let uri = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
        let privileged_pod =
            by_pod_security(self.attempt(&client, Method::POST, &uri, JSON, &pod, pace).await?);
        let uri = format!("/api/v1/namespaces/{namespace}?dryRun=All");
        let [(level_guard, level), (marks_guard, marks)] = stage::tampering();
        let level = self.attempt(&client, Method::PATCH, &uri, MERGE, &level, pace).await?;
        let marks = self.attempt(&client, Method::PATCH, &uri, MERGE, &marks, pace).await?;
        Ok(Tried { privileged_pod, level: by_guard(level, level_guard), marks: by_guard(marks, marks_guard) })
    }

    async fn attempt(
        &mut self,
        client: &Client,
        method: Method,
        uri: &str,
        content: &'static str,
        body: &Value,
        pace: &mut Pace,
    ) -> Result<Result<(), String>, CallError> {
        pace.wait().await;
        let answer = send::<Value>(client, method, uri, content, body).await;
        let outcome = match answer {
            Ok(_) => Ok(Ok(())),
            Err(error) => {
                if matches!(error, CallError::Unauthorized(_)) {
                    // The ServiceAccount is another one by now: so must the token be.
                    self.client = None;
                }
                answered(error).map(Err)
            }
        };
        let label = match &outcome {
            Ok(Ok(())) => "done",
            Ok(Err(_)) => "refused",
            Err(error) => error.label(),
        };
        self.settings.metrics.isolation_trial("dry_run", label);
        outcome
    }
}

/// The words of a refusal; an error that is none.
fn answered(error: CallError) -> Result<String, CallError> {
    match error {
        CallError::Forbidden(_)
        | CallError::Invalid(_)
        | CallError::NotFound(_)
        | CallError::Unauthorized(_) => Ok(error.to_string()),
        other => Err(other),
    }
}

/// Content types.
pub(super) const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";

pub(super) async fn send<T: DeserializeOwned>(
    client: &Client,
    method: Method,
    uri: &str,
    content: &'static str,
    body: &Value,
) -> Result<T, CallError> {
    deadline(READ_DEADLINE, client.request(request(method, uri, content, body)?)).await
}

pub(super) fn request(
    method: Method,
    uri: &str,
    content: &'static str,
    body: &Value,
) -> Result<Request<Vec<u8>>, CallError> {
    let request = Request::builder().method(method).uri(uri).header("content-type", content);
    let request = request.body(body.to_string().into_bytes());
    request.map_err(|error| CallError::Invalid(error.to_string()))
}

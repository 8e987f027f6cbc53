//! The hand that only tries. Whatever it sends carries `dryRun=All`: there is one way out of it, and that one
//! writes the words itself. So it can be given to a command that must change nothing.

use futures::{StreamExt, stream};
use http::Method;
use kube::Client;
use serde_json::Value;

use crate::{
    api::marks,
    runtime::call::{CallError, deadline},
};

use super::{
    customers::{self, Origin},
    manifest::Manifest,
    writer::{WRITE_DEADLINE, path, request},
};

/// Tries under way at once.
const AT_ONCE: usize = 4;

/// The hand that only tries.
#[derive(Clone)]
pub struct DryRun {
    client: Client,
}

impl std::fmt::Debug for DryRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DryRun").finish_non_exhaustive()
    }
}

impl DryRun {
    /// A hand that tries with the rights of this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// What an object would become if it were applied, over whatever others made of our fields.
    ///
    /// # Errors
    /// As [`CallError`]: what the API server, and everybody whom it asks, has against it.
    pub async fn apply(&self, manifest: &Manifest) -> Result<Value, CallError> {
        self.send(&path(&manifest.id), marks::MANAGER_CHILDREN, &manifest.body).await
    }

    /// The same for many, each by itself, in their order.
    pub async fn apply_all<'a>(
        &self,
        manifests: impl IntoIterator<Item = &'a Manifest>,
    ) -> Vec<Result<Value, CallError>> {
        let tries: Vec<_> = manifests.into_iter().map(|manifest| self.apply(manifest)).collect();
        stream::iter(tries).buffered(AT_ONCE).collect().await
    }

    /// What a Tenant would become if it were written as its file says.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn tenant(
        &self,
        name: &str,
        metadata: &Value,
        spec: &Value,
        origin: &Origin,
    ) -> Result<Value, CallError> {
        let body = customers::body(name, metadata, spec, origin);
        self.send(&customers::path("tenants", name), marks::MANAGER_SOURCE, &body).await
    }

    async fn send(&self, path: &str, manager: &str, body: &Value) -> Result<Value, CallError> {
        let uri = format!("{path}?dryRun=All&fieldManager={manager}&force=true");
        let request = request(Method::PATCH, &uri, Some("application/apply-patch+yaml"), None, body)?;
        deadline(WRITE_DEADLINE, self.client.request(request)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::{Request, Response};
    use kube::client::{Body, ClientBuilder};
    use serde_json::json;

    use super::*;
    use crate::api::kinds::{Kind, ObjectId};

    /// A server in memory that takes down what it is asked.
    fn server(asked: &Arc<Mutex<Vec<String>>>) -> Client {
        let asked = Arc::clone(asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            let line = format!("{} {}", request.method(), request.uri());
            asked.lock().expect("nobody panicked").push(line);
            async { Ok::<_, std::convert::Infallible>(Response::new(Body::from(b"{}".to_vec()))) }
        });
        ClientBuilder::new(service, "default").build()
    }

    #[tokio::test]
    async fn whatever_is_sent_is_a_dry_run() {
        let asked = Arc::default();
        let dry = DryRun::new(server(&asked));
        let origin = Origin {
            source: "shop/a.yaml".into(),
            commit: "c".into(),
            committed_at: String::new(),
            blob: "b".into(),
            platform: "shop".into(),
        };
        let all = Kind::ALL.map(|kind| {
            let namespace = if kind.namespaced() { "acme".to_owned() } else { String::new() };
            let id = ObjectId { kind, namespace, name: "web".into() };
            Manifest { id, hash: "h".into(), body: json!({}) }
        });
        let answers = dry.apply_all(&all).await;
        assert!(answers.len() == all.len() && answers.iter().all(Result::is_ok), "{answers:?}");
        dry.tenant("acme", &json!({}), &json!({}), &origin).await.expect("it answers");
        let asked = asked.lock().expect("nobody panicked");
        assert_eq!(asked.len(), all.len() + 1);
        for line in asked.iter() {
            let query = line.split_once('?').map(|(_, query)| query).unwrap_or_default();
            assert!(query.split('&').any(|pair| pair == "dryRun=All"), "{line}");
        }
        assert!(asked[0].starts_with("PATCH /api/v1/namespaces/web?"), "{}", asked[0]);
    }
}

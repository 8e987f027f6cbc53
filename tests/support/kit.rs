//! What one test works with: names of its own, and waiting in one line.

use std::{collections::BTreeMap, ops::Deref, time::Duration};

use serde_json::{Value, json};
use tenantry_testbed::eventually;

use super::{
    Call, Outcome, World, at,
    objects::{condition, name, text, uid},
    world::PLATFORM,
};

/// Longest wait for something that takes a moment.
pub const SOON: Duration = Duration::from_secs(60);

/// Every kind of child, by plural; all but namespaces live in the tenant's.
pub const CHILDREN: [&str; 12] = [
    "resourcequotas",
    "limitranges",
    "networkpolicies",
    "rolebindings",
    "secrets",
    "serviceaccounts",
    "configmaps",
    "services",
    "poddisruptionbudgets",
    "deployments",
    "statefulsets",
    "horizontalpodautoscalers",
];

/// A test's client and its world.
pub struct Kit {
    pub world: &'static World,
    pub call: Call,
    pub platform: String,
}

impl Deref for Kit {
    type Target = Call;
    fn deref(&self) -> &Call {
        &self.call
    }
}

impl Kit {
    /// A kit in the shared world; `None` when the test must be skipped.
    pub async fn new() -> Outcome<Option<Self>> {
        Ok(World::shared().await?.map(Self::of))
    }

    pub fn of(world: &'static World) -> Self {
        Self { world, call: world.call(), platform: PLATFORM.into() }
    }

    /// A Platform of the test's own: the usual one with changes. Tenants made from now on name it.
    pub async fn own_platform(&mut self, platform: &str, changes: &Value) -> Outcome {
        let mut whole = super::world::platform(platform);
        merge(&mut whole["spec"], changes);
        self.apply(&at("platforms", "", platform), "tess", &whole).await?;
        self.platform = platform.into();
        Ok(())
    }

    /// Applies a Tenant as the user tess.
    pub async fn tenant(&self, tenant: &str, spec: Value) -> Outcome<Value> {
        Ok(self.try_tenant(tenant, spec).await?)
    }

    pub async fn try_tenant(&self, tenant: &str, mut spec: Value) -> kube::Result<Value> {
        spec["platformRef"] = json!({"name": self.platform});
        let body = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": tenant}, "spec": spec,
        });
        self.apply(&at("tenants", "", tenant), "tess", &body).await
    }

    /// Applies a Tenant and waits until it is Ready.
    pub async fn ready_tenant(&self, tenant: &str, spec: Value) -> Outcome<Value> {
        self.tenant(tenant, spec).await?;
        self.ready(tenant).await
    }

    /// Waits until a Tenant is Ready, with the spec as it is now.
    pub async fn ready(&self, tenant: &str) -> Outcome<Value> {
        self.until(tenant, "Ready", "True", "").await
    }

    /// Waits until a condition of a Tenant speaks of the present spec and has this status, and a reason
    /// or message with these words.
    pub async fn until(&self, tenant: &str, type_: &str, status: &str, words: &str) -> Outcome<Value> {
        self.until_of(&at("tenants", "", tenant), type_, status, words).await
    }

    /// Names of everything that is ours in a tenant's namespace: `plural/name`.
    pub async fn child_names(&self, namespace: &str) -> Outcome<Vec<String>> {
        Ok(self.children(namespace).await?.into_keys().collect())
    }

    /// Notes of the Events about a Tenant.
    pub async fn events(&self, tenant: &str) -> Outcome<Vec<String>> {
        let all = self.list(&at("events", "default", "")).await?;
        let about = all.iter().filter(|event| text(event, "/regarding/name") == tenant);
        Ok(about.map(|event| format!("{}: {}", text(event, "/reason"), text(event, "/note"))).collect())
    }

    /// How many passes the operator has made over a Tenant, by its log.
    pub fn passes(&self, tenant: &str) -> usize {
        let mark = format!("\"tenant\":\"{tenant}\"");
        let logs = self.world.logs();
        logs.lines().filter(|line| line.contains("\"message\":\"pass\"") && line.contains(&mark)).count()
    }

    /// Takes the Tenant and its namespace away, without waiting.
    pub async fn clean_up(&self, tenant: &str) -> Outcome {
        let allow = json!({"metadata": {"annotations": {"tenantry.dev/allow-delete": "test"}}});
        let namespace = self.the(&at("tenants", "", tenant)).await?;
        let namespace = match text(&namespace, "/spec/namespace") {
            "" => tenant.to_owned(),
            namespace => namespace.to_owned(),
        };
        for path in [at("tenants", "", tenant), at("namespaces", "", &namespace)] {
            if self.get(&path).await?.is_some() {
                self.merge(&path, "tess", &allow).await?;
                self.delete(&path).await?;
            }
        }
        Ok(())
    }
}

/// Looking at what is there, and waiting; a [`Kit`] can, too.
impl Call {
    /// uid and resourceVersion of everything that is ours in a tenant's namespace, by plural and name.
    pub async fn children(&self, namespace: &str) -> Outcome<BTreeMap<String, (String, String)>> {
        let mut found = BTreeMap::new();
        for plural in CHILDREN {
            let path =
                format!("{}?labelSelector=app.kubernetes.io/managed-by=tenantry", at(plural, namespace, ""));
            for object in self.list(&path).await? {
                let key = format!("{plural}/{}", name(&object));
                let version = text(&object, "/metadata/resourceVersion").to_owned();
                found.insert(key, (uid(&object).to_owned(), version));
            }
        }
        Ok(found)
    }

    /// Waits until a condition of an object speaks of the present spec and has this status, and a reason
    /// or message with these words.
    pub async fn until_of(&self, path: &str, type_: &str, status: &str, words: &str) -> Outcome<Value> {
        let what = format!("{path} {type_}={status} {words}");
        let waited = eventually(SOON, &what, || async {
            let object = self.the(path).await.map_err(|error| error.to_string())?;
            let found = condition(&object, type_);
            let said = format!("{}: {}", text(&found, "/reason"), text(&found, "/message"));
            let current = found["observedGeneration"] == object["metadata"]["generation"];
            if current && found["status"] == status && said.contains(words) {
                Ok(object)
            } else {
                Err(found.to_string())
            }
        });
        Ok(waited.await?)
    }

    /// Waits until an object is as `right` says; returns it.
    pub async fn object(&self, path: &str, what: &str, right: impl Fn(&Value) -> bool) -> Outcome<Value> {
        let what = format!("{path}: {what}");
        let waited = eventually(SOON, &what, || async {
            let found = self.get(path).await.map_err(|error| error.to_string())?;
            match found {
                Some(object) if right(&object) => Ok(object),
                Some(mut object) => {
                    object["metadata"]["managedFields"].take();
                    Err(object.to_string())
                }
                None => Err("it is not there".into()),
            }
        });
        Ok(waited.await?)
    }

    /// Waits until an object is gone.
    pub async fn gone(&self, path: &str) -> Outcome {
        let what = format!("{path} to be gone");
        let waited = eventually(SOON, &what, || async {
            let found = self.get(path).await.map_err(|error| error.to_string())?;
            found.map_or(Ok(()), |object| Err(object["metadata"].to_string()))
        });
        Ok(waited.await?)
    }
}

/// A service with a port and one pod.
pub fn service(name: &str) -> Value {
    json!({
        "name": name, "image": "registry.k8s.io/pause:3.10",
        "ports": [{"name": "http", "containerPort": 8080}], "replicas": {"min": 1},
    })
}

/// A service with changes.
pub fn service_with(name: &str, changes: &Value) -> Value {
    let mut whole = service(name);
    merge(&mut whole, changes);
    whole
}

/// RFC 7396.
pub fn merge(whole: &mut Value, changes: &Value) {
    match changes {
        Value::Object(changes) => {
            for (key, change) in changes {
                if change.is_null() {
                    whole.as_object_mut().map(|map| map.remove(key));
                } else {
                    merge(&mut whole[key.as_str()], change);
                }
            }
        }
        other => *whole = other.clone(),
    }
}

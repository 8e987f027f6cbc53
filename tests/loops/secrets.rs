//! Pull Secrets are copied, and told to nobody.

use serde_json::{Value, json};

use crate::support::{Kit, Outcome, at, kit::service, objects::text, world::SYSTEM};

const FIRST: &str = "canary-pull-first-9d1f";
const SECOND: &str = "canary-pull-second-77aa";
const LATER: &str = "canary-pull-later-0c3b";

fn docker_config(name: &str, auths: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": json!({"auths": auths}).to_string()},
    })
}

/// The registries and passwords in the tenant's copy.
async fn copied(kit: &Kit) -> Outcome<Value> {
    let secret = kit.the(&at("secrets", "pulls", "tenantry-pull")).await?;
    decoded(&secret)
}

fn decoded(secret: &Value) -> Outcome<Value> {
    let secret: k8s_openapi::api::core::v1::Secret = serde_json::from_value(secret.clone())?;
    let bytes = &secret.data.unwrap_or_default()[".dockerconfigjson"].0;
    Ok(serde_json::from_slice(bytes)?)
}

#[tokio::test]
async fn pull_secrets_are_merged_copied_followed_and_never_told() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    let auth = |password: &str| json!({"username": "puller", "password": password});
    let first = json!({"one.example.com": auth(FIRST), "both.example.com": auth(FIRST)});
    let second = json!({"two.example.com": auth(SECOND), "both.example.com": auth(SECOND)});
    kit.create(&at("secrets", SYSTEM, ""), &docker_config("pull-first", &first)).await?;
    kit.own_platform(
        "pulls",
        &json!({"images": {"pullSecretRefs": [{"name": "pull-first"}, {"name": "pull-second"}]}}),
    )
    .await?;
    kit.tenant("pulls", json!({"services": [service("web")]})).await?;
    kit.until("pulls", "Ready", "False", "InputUnreadable: Secret tenantry-system/pull-second can't be read")
        .await?;
    kit.create(&at("secrets", SYSTEM, ""), &docker_config("pull-second", &second)).await?;
    kit.ready("pulls").await?;
    let auths = copied(&kit).await?["auths"].clone();
    let passwords =
        ["one", "two", "both"].map(|one| text(&auths[format!("{one}.example.com")], "/password").to_owned());
    assert_eq!(passwords, [FIRST, SECOND, FIRST]);
    for path in [at("serviceaccounts", "pulls", "web"), at("deployments", "pulls", "web")] {
        let object = kit.the(&path).await?.to_string();
        assert!(object.contains(r#""imagePullSecrets":[{"name":"tenantry-pull"}]"#), "{object}");
    }

    // Somebody changes the copy: it is healed, and the values are not told.
    let theirs = json!({"stringData": {".dockerconfigjson": json!({"auths": {"evil.example.com": auth(LATER)}}).to_string()}});
    kit.strategic(&at("secrets", "pulls", "tenantry-pull"), "mallory", &theirs).await?;
    kit.object(&at("secrets", "pulls", "tenantry-pull"), "healed", |now| {
        decoded(now).is_ok_and(|config| config["auths"]["evil.example.com"].is_null())
    })
    .await?;
    kit.until("pulls", "Ready", "True", "mallory changed data").await?;

    // The source changes: the copy follows once the Platform is asked to look, and pods stay.
    let deployment = kit.the(&at("deployments", "pulls", "web")).await?;
    let later = json!({"stringData": {".dockerconfigjson": json!({"auths": {"two.example.com": auth(LATER)}}).to_string()}});
    kit.strategic(&at("secrets", SYSTEM, "pull-second"), "tess", &later).await?;
    let ask = json!({"metadata": {"annotations": {"tenantry.dev/reconcile-requested-at": "1"}}});
    kit.merge(&at("platforms", "", "pulls"), "tess", &ask).await?;
    kit.object(&at("secrets", "pulls", "tenantry-pull"), "the new password", |now| {
        decoded(now).is_ok_and(|config| config["auths"]["two.example.com"]["password"] == LATER)
    })
    .await?;
    kit.ready("pulls").await?;
    let now = kit.the(&at("deployments", "pulls", "web")).await?;
    assert_eq!(now["metadata"]["generation"], deployment["metadata"]["generation"]);

    nowhere(&kit).await?;
    kit.clean_up("pulls").await
}

/// The canaries are in Secrets, and nowhere else: not plain, not in base64.
async fn nowhere(kit: &Kit) -> Outcome {
    let mut texts = vec![("the log".to_owned(), kit.world.logs())];
    for plural in ["tenants", "platforms", "events", "namespaces", "deployments", "configmaps"] {
        texts.push((plural.to_owned(), format!("{:?}", kit.list(&at(plural, "", "")).await?)));
    }
    let secret = kit.the(&at("secrets", "pulls", "tenantry-pull")).await?;
    texts.push(("the copy's metadata".to_owned(), secret["metadata"].to_string()));
    for canary in [FIRST, SECOND, LATER] {
        // The middle of it, however it is aligned.
        let encoded = serde_json::to_value(k8s_openapi::ByteString(canary.as_bytes().to_vec()))?;
        let encoded = encoded.as_str().unwrap_or_default().trim_end_matches('=').to_owned();
        for (place, text) in &texts {
            assert!(!text.contains(canary) && !text.contains(&encoded), "{canary} is in {place}");
        }
    }
    Ok(())
}

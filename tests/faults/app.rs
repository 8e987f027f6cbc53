//! A GitHub App: the same installation token fetches the repository, reads pull requests and posts their plans.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::KeySize,
    signature::RsaKeyPair,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tenantry_testbed::{Credentials, GitServer, eventually};

use crate::{
    alone,
    fake_forge::{Fake, Kind, Pull},
    support::{Outcome, at, kit::SOON, world::SYSTEM},
};

/// What the fake forge gives first.
const TOKEN: &str = "ghs_canary1";

fn file(tag: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n  name: app-one\nspec:\n  platformRef:\n    name: app\n  services:\n    - name: web\n      image: registry.k8s.io/pause:{tag}\n      replicas:\n        min: 1\n"
    )
}

fn key() -> Outcome<String> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| "no key")?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| "no PKCS#8")?;
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref())))
}

async fn says(fake: &Fake, commit: &str, context: &str, state: &str) -> Outcome {
    let what = format!("{context} of {commit}: {state}");
    let waited = eventually(SOON, &what, || async {
        match fake.status(commit, context) {
            Some((found, _)) if found == state => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    Ok(waited.await?)
}

/// The interval is an hour: what is pushed later is seen because somebody asks.
#[tokio::test]
async fn an_app_fetches_and_posts_with_one_token() -> Outcome {
    let Some((_turn, mut kit)) = alone().await? else { return Ok(()) };
    let fake = Fake::start(Kind::GitHub).await?;
    fake.state().app = Some(|statement| statement.split('.').count() == 3);
    let credentials = Credentials { user: "x-access-token".into(), password: TOKEN.into() };
    let git = GitServer::start_in(kit.world.cluster.run(), Some(credentials)).await?;
    let repo = git.create("app")?;
    let first = repo.commit(&[("tenants/one.yaml", Some(&file("1")))], "The first")?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "app"},
        "stringData": {"appId": "12345", "installationId": "678", "privateKey": key()?},
    });
    kit.apply(&at("secrets", SYSTEM, "app"), "tess", &secret).await?;
    let forge = json!({
        "kind": "GitHub", "url": fake.base, "repository": "acme/config", "credentials": {"name": "app"},
    });
    let source = json!({
        "url": repo.url(), "path": "tenants", "interval": "1h", "credentials": {"name": "app"}, "forge": forge,
    });
    kit.own_platform("app", &json!({"source": {"git": source}})).await?;
    says(&fake, &first, "tenantry/applied/app", "success").await?;
    kit.until_of(&at("platforms", "", "app"), "PlansPosted", "True", "0 open").await?;

    std::fs::write(repo.work().join("tenants/one.yaml"), file("2"))?;
    repo.git(["commit", "--quiet", "--all", "-m", "A change"])?;
    repo.git(["push", "--quiet", "origin", "HEAD:refs/pull/1/head"])?;
    let head = repo.head()?;
    let pull = Pull { number: 1, head: head.clone(), base: "main".into(), ..Pull::default() };
    fake.state().pulls = vec![pull];
    let ask = json!({"metadata": {"annotations": {"tenantry.dev/reconcile-requested-at": "now"}}});
    kit.merge(&at("platforms", "", "app"), "tess", &ask).await?;
    says(&fake, &head, "tenantry/plan/app", "success").await?;
    let calls = std::mem::take(&mut fake.state().calls);
    assert_eq!(calls.iter().filter(|call| call.contains("access_tokens")).count(), 1, "{calls:?}");
    let told = [kit.world.logs(), kit.the(&at("platforms", "", "app")).await?.to_string()];
    assert!(told.iter().all(|text| !text.contains(TOKEN) && !text.contains("PRIVATE KEY")));
    kit.merge(&at("platforms", "", "app"), "tess", &json!({"spec": {"source": Value::Null}})).await?;
    kit.clean_up("app-one").await
}

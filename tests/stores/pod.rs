//! Credentials that the platform gives the operator's pod: a token of its service account, taken to the token service.

use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tenantry::backup::layout::Place;
use tenantry::backup::store::policy::Role;
use tenantry::backup::store::scoped;
use tenantry::store::access::{Access, Base, RoleAddress};
use tenantry::store::{Class, Store};
use tenantry_testbed::{Ministack, REGION, Run, make_bucket, programs};

use crate::Outcome;
use crate::bed::{ACCOUNT, address};

/// Set where the test runs as if it were in a pod: the environment is a process's, and tests share theirs.
const INSIDE: &str = "TENANTRY_TEST_INSIDE_POD";
const ISSUER: &str = "cluster.example.com";

#[tokio::test]
async fn the_pods_own_identity_is_enough() -> Outcome {
    if let Ok(inside) = std::env::var(INSIDE) {
        return in_pod(&inside).await;
    }
    if programs::skip() {
        return Ok(());
    }
    let run = Run::start()?;
    let server = Ministack::start_in(&run).await?;
    make_bucket(&server.client(ACCOUNT), "backups", None).await?;
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Federated":"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"}},"Action":"sts:AssumeRoleWithWebIdentity"}}]}}"#
    );
    let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","sts:AssumeRole"],"Resource":"*"}]}"#;
    let own = server.role(ACCOUNT, "operator", &trust, all).await?;
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{own}"}},"Action":"sts:AssumeRole"}}]}}"#
    );
    let role = server.role(ACCOUNT, "tenantry-backup", &trust, all).await?;
    let claims = format!(
        r#"{{"iss":"https://{ISSUER}","aud":"sts.amazonaws.com","sub":"system:serviceaccount:tenantry-system:tenantry"}}"#
    );
    let token = [r#"{"alg":"RS256"}"#, &claims, "x"].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let file = run.folder("pod")?.join("token");
    std::fs::write(&file, token)?;
    let mut inside = Command::new(std::env::current_exe()?);
    inside.args(["pod::the_pods_own_identity_is_enough", "--exact", "--nocapture"]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        inside.env_remove(name);
    }
    inside.env(INSIDE, format!("{} {role}", server.url())).env("AWS_EC2_METADATA_DISABLED", "true");
    inside.env("AWS_WEB_IDENTITY_TOKEN_FILE", &file).env("AWS_ROLE_ARN", &own);
    inside.env("AWS_REGION", REGION).env("AWS_ENDPOINT_URL_STS", server.url());
    let output = tokio::task::spawn_blocking(move || inside.output()).await??;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let words = format!("{}{}", said(&output.stdout), said(&output.stderr));
    assert!(output.status.success() && words.contains("1 passed"), "{words}\n{}", server.logs());
    Ok(())
}

/// What the operator does in its pod.
async fn in_pod(inside: &str) -> Outcome {
    let (url, role) = inside.split_once(' ').ok_or("an address and a role")?;
    let address = address(url, "backups");
    let place = Place::of("b", "shop", "acme");
    let own = Access::new(address.clone(), Base::Pod, None);
    own.store().await?.put_proved("b/shop/acme/records/r.json", b"{}").await?;
    let shared = scoped(&own, (Role::Backup, &place), "backup-app-1", Duration::from_secs(3600)).await?;
    assert!(shared.shared && shared.credentials.expires().is_some(), "{shared:?}");

    let role = RoleAddress { arn: role.into(), external_id: None, endpoint: Some(url.into()) };
    let access = Access::new(address.clone(), Base::Pod, Some(role));
    let scoped = scoped(&access, (Role::Read, &place), "drill-app-1", Duration::from_secs(3600)).await?;
    let store = Store::open(&address, &scoped.credentials)?;
    assert_eq!(store.get("b/shop/acme/records/r.json", 9).await?, b"{}");
    let denied = store.put_new("b/shop/acme/g0001/x", b"x").await.expect_err("a reader writes nothing");
    assert_eq!(denied.class, Class::Denied);
    Ok(())
}

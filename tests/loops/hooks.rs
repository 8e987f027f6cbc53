//! Push hooks against the operator that runs: with an interval of an hour, only they show a push.

use std::time::{Duration, Instant};

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use serde_json::{Value, json};
use tenantry_testbed::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{
    source::{Source, file},
    support::{
        Outcome, at,
        issuer::Issuer,
        kit::SOON,
        objects::text,
        world::{SYSTEM, World},
    },
};

const TOKEN: &str = "canary-hook-token-31c7";

/// `sha256=` and HMAC-SHA256 in hex, as GitHub sends it.
fn signature(token: &str, body: &[u8]) -> String {
    let tag = sign(&Key::new(HMAC_SHA256, token.as_bytes()), body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// Sends bytes, and returns the answer's status.
async fn send(world: &World, bytes: &[u8]) -> Outcome<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", world.hooks)).await?;
    stream.write_all(bytes).await?;
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await??;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| format!("no status in {answer:?}").into())
}

async fn post(world: &World, platform: &str, header: &str, body: &str) -> Outcome<u16> {
    let length = body.len();
    let request = format!(
        "POST /hooks/{platform} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    send(world, request.as_bytes()).await
}

/// Posts until the key is read: nothing watches Secrets.
async fn accepted(source: &Source, platform: &str, header: &str, body: &str) -> Outcome {
    let posted = eventually(SOON, "the hook to be taken", || async {
        match post(source.kit.world, platform, header, body).await.map_err(|error| error.to_string())? {
            202 => Ok(()),
            status => Err(format!("status {status}")),
        }
    });
    Ok(posted.await?)
}

fn image(tag: &str) -> impl Fn(&Value) -> bool {
    let image = format!("registry.k8s.io/pause:{tag}");
    move |tenant| text(tenant, "/spec/services/0/image") == image
}

#[tokio::test]
async fn a_signed_hook_shows_a_push_and_nothing_else_does() -> Outcome {
    let git = json!({"interval": "1h", "hook": {"secretRef": {"name": "hook-hooked"}}});
    let Some(source) = Source::start("hooked", &git).await? else { return Ok(()) };
    let (kit, world) = (&source.kit, source.kit.world);
    let path = at("tenants", "", "hooked-one");
    let tenant = |tag: &str| file("hooked-one", "hooked", tag);
    // The repository is empty at the first look: only a hook brings what is pushed after it.
    source.synced("False", "EmptyRepository").await?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook-hooked"}, "stringData": {"token": TOKEN},
    });
    kit.apply(&at("secrets", SYSTEM, "hook-hooked"), "tess", &secret).await?;
    source.commit(&[("tenants/one.yaml", Some(&tenant("1")))]).await?;
    let body = r#"{"ref":"refs/heads/main","after":"canary-body-77d1"}"#;
    let good = format!("X-Hub-Signature-256: {}", signature(TOKEN, body.as_bytes()));
    accepted(&source, "hooked", &good, body).await?;
    kit.object(&path, "the first push", image("1")).await?;
    kit.ready("hooked-one").await?;

    // Unsigned, wrongly signed, for another Platform, too large: nothing happens.
    source.commit(&[("tenants/one.yaml", Some(&tenant("2")))]).await?;
    let wrong = format!("X-Hub-Signature-256: {}", signature("another token, as long", body.as_bytes()));
    assert_eq!(post(world, "hooked", "X-Event: push", body).await?, 401);
    assert_eq!(post(world, "hooked", &wrong, body).await?, 401);
    assert_eq!(post(world, "hooked", &good, &body.replace("main", "mein")).await?, 401);
    assert_eq!(post(world, "nobody", &good, body).await?, 401);
    let head = format!("POST /hooks/hooked HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{good}\r\n");
    assert_eq!(send(world, format!("{head}Content-Length: 1048577\r\n\r\n").as_bytes()).await?, 413);
    assert_eq!(
        send(world, b"GET /hooks/hooked HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?,
        405
    );
    let start = Instant::now();
    assert_eq!(send(world, format!("{head}Content-Length: 9\r\n\r\nslow").as_bytes()).await?, 408);
    assert!(start.elapsed() > Duration::from_secs(5), "a slow body has some time");
    assert!(image("1")(&kit.the(&path).await?), "none of them shows the push");

    // A flood of signed hooks is cut, and the push is seen for all that.
    let mut statuses = Vec::new();
    for _ in 0..30 {
        statuses.push(post(world, "hooked", &good, body).await?);
    }
    assert!(statuses.contains(&202) && statuses.contains(&429), "{statuses:?}");
    kit.object(&path, "the second push", image("2")).await?;

    // The annotation does the same, for whoever may change the Platform.
    source.commit(&[("tenants/one.yaml", Some(&tenant("3")))]).await?;
    let ask = json!({"metadata": {"annotations": {"tenantry.dev/reconcile-requested-at": "now"}}});
    kit.merge(&source.platform(), "tess", &ask).await?;
    kit.object(&path, "the third push", image("3")).await?;
    told_nobody(&source).await?;
    source.clean_up(&["hooked-one"]).await
}

#[tokio::test]
async fn a_token_of_the_named_issuer_shows_a_push_and_a_strangers_does_not() -> Outcome {
    let issuer = Issuer::start();
    let audience = "https://hooks.example.com";
    let oidc = json!({
        "issuer": issuer.url, "audience": audience, "ca": {"name": "issuer-vouched"},
        "claims": [{"name": "repository", "value": "acme/config"}, {"name": "ref", "value": "refs/heads/main"}],
    });
    let Some(source) = Source::start("vouched", &json!({"interval": "1h"})).await? else { return Ok(()) };
    let (kit, world) = (&source.kit, source.kit.world);
    source.synced("False", "EmptyRepository").await?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "issuer-vouched"}, "stringData": {"ca.crt": issuer.ca},
    });
    kit.apply(&at("secrets", SYSTEM, "issuer-vouched"), "tess", &secret).await?;
    let hook = |oidc: &Value| json!({"spec": {"source": {"git": {"hook": {"oidc": oidc}}}}});
    // Anybody's job gets a token for this audience: such settings are refused at the door.
    let mut open = oidc.clone();
    open["claims"] = json!([]);
    let refused = kit.merge(&source.platform(), "tess", &hook(&open)).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("whose tokens are taken")));
    kit.merge(&source.platform(), "tess", &hook(&oidc)).await?;

    let path = at("tenants", "", "vouched-one");
    let tenant = |tag: &str| file("vouched-one", "vouched", tag);
    source.commit(&[("tenants/one.yaml", Some(&tenant("1")))]).await?;
    let main = json!({"repository": "acme/config", "ref": "refs/heads/main", "jti": "canary-claim-8c1e"});
    let with = |token: &str| format!("Authorization: Bearer {token}");
    let good = issuer.token(audience, &main);
    accepted(&source, "vouched", &with(&good), "canary-body").await?;
    kit.object(&path, "the first push", image("1")).await?;
    kit.ready("vouched-one").await?;

    // Another repository's job, another branch's, another audience's, an old one, somebody else's issuer.
    source.commit(&[("tenants/one.yaml", Some(&tenant("2")))]).await?;
    let stranger = Issuer::start();
    for token in [
        issuer.token(audience, &json!({"repository": "mallory/config", "ref": "refs/heads/main"})),
        issuer.token(audience, &json!({"repository": "acme/config", "ref": "refs/heads/topic"})),
        issuer.token("https://elsewhere.example.com", &main),
        issuer.token(audience, &json!({"repository": "acme/config", "ref": "refs/heads/main", "exp": 1})),
        stranger.token(audience, &main),
        format!("{good}x"),
    ] {
        assert_eq!(post(world, "vouched", &with(&token), "").await?, 401);
        assert_eq!(post(world, "nobody", &with(&token), "").await?, 401);
    }
    assert!(image("1")(&kit.the(&path).await?), "none of them shows the push");
    assert_eq!(post(world, "nobody", &with(&good), "").await?, 401);
    assert_eq!(post(world, "vouched", &with(&good), "").await?, 202);
    kit.object(&path, "the second push", image("2")).await?;
    told_nobody(&source).await?;
    assert!(!world.logs().contains(&good), "the token is in the log");
    source.clean_up(&["vouched-one"]).await
}

/// Token and body are nowhere.
async fn told_nobody(source: &Source) -> Outcome {
    let kit = &source.kit;
    let mut texts = vec![("the log".to_owned(), kit.world.logs())];
    for plural in ["tenants", "platforms", "events"] {
        texts.push((plural.to_owned(), format!("{:?}", kit.list(&at(plural, "", "")).await?)));
    }
    for (place, text) in &texts {
        assert!(
            !text.contains("canary-hook") && !text.contains("canary-body") && !text.contains("canary-claim"),
            "told in {place}"
        );
    }
    Ok(())
}

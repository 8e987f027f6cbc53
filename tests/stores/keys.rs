//! Tenants' keys in the store, and how they are opened without us.

use std::io::Write;
use std::process::{Command, Stdio};

use tenantry::backup::key::{Claim, KeyError, Owner, SecretKey, adopted};
use tenantry::backup::layout::Place;
use tenantry::backup::store::keys::{NoKey, tenant_key};
use tenantry::store::Store;
use tenantry_testbed::{Fault, Matcher, Proxy};

use crate::Outcome;
use crate::bed::{self, credentials, open};

const PLATFORM_KEY: &str = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";

fn owner(tenant: &str) -> Owner {
    Owner { install_id: "i1".into(), platform: "shop".into(), tenant: tenant.into() }
}

fn claim(owner: &Owner) -> Claim<'_> {
    Claim { owner, adopted: &[] }
}

#[tokio::test]
async fn a_key_is_made_once_and_opened_by_openssl() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let (name, store) = (server.name(), open(server, "locked")?);
        let (place, platform) = (Place::of("b", "shop", "acme"), SecretKey::parse(PLATFORM_KEY)?);
        let made = tenant_key(&store, &place, claim(&owner("acme")), &platform, true).await?;
        let again = tenant_key(&store, &place, claim(&owner("acme")), &platform, true).await?;
        assert!(made == again && made.expose().len() == 64, "{name}");
        let other =
            tenant_key(&store, &Place::of("b", "shop", "zed"), claim(&owner("zed")), &platform, true).await?;
        assert!(made != other, "{name}: every tenant has its own");
        let file = store.get(&place.key(), 4096).await?;
        assert!(!String::from_utf8_lossy(&file).contains(made.expose()), "{name}");
        let file: serde_json::Value = serde_json::from_slice(&file)?;
        let wrapped = file["wrapped"].as_str().expect("it is text");
        assert_eq!(by_openssl(wrapped)?, made.expose(), "{name}");
        assert_eq!(by_us(&store.get(&place.key(), 4096).await?, PLATFORM_KEY)?, Ok(made.expose().to_owned()));
        let refused = by_us(&store.get(&place.key(), 4096).await?, &PLATFORM_KEY.replace('1', "2"))?;
        assert!(refused.unwrap_err().contains("was wrapped by the platform key secret-"), "{name}");
    }
    Ok(())
}

/// `tenantry backup key`: the password, or what it says instead.
fn by_us(file: &[u8], platform_key: &str) -> Outcome<Result<String, String>> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("key.json"), file)?;
    std::fs::write(folder.path().join("platform.key"), format!("{platform_key}\n"))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    command.args(["backup", "key", "key.json", "--platform-key", "platform.key"]).current_dir(folder.path());
    let output = command.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok(if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) })
}

/// As the README says it, for who restores without us.
fn by_openssl(wrapped: &str) -> Outcome<String> {
    let line = format!(
        "openssl base64 -d -A | openssl enc -d -id-aes256-wrap -K {PLATFORM_KEY} -iv A6A6A6A6A6A6A6A6"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &line]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().expect("it is piped").write_all(wrapped.as_bytes())?;
    let output = child.wait_with_output()?;
    assert!(output.status.success(), "{line}");
    Ok(String::from_utf8(output.stdout)?)
}

/// B10, from the operator's side: nothing is ever made anew over what cannot be opened.
#[tokio::test]
async fn a_key_that_does_not_fit_is_refused_and_stays() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let store = open(server, "plain")?;
        let (place, platform) = (Place::of("b", "shop", "acme"), SecretKey::parse(PLATFORM_KEY)?);
        let made = tenant_key(&store, &place, claim(&owner("acme")), &platform, true).await?;
        let before = store.get(&place.key(), 4096).await?;
        let rotated = SecretKey::parse(&PLATFORM_KEY.replace('0', "f"))?;
        let other = tenant_key(&store, &place, claim(&owner("acme")), &rotated, true).await.unwrap_err();
        assert!(matches!(other, NoKey::Key(KeyError::OtherPlatformKey { .. })), "{other}");
        assert_eq!(other.reason(), "KeyMismatch");
        let foreign = Owner { platform: "lab".into(), ..owner("acme") };
        let foreign = tenant_key(&store, &place, claim(&foreign), &platform, true).await.unwrap_err();
        assert!(matches!(foreign, NoKey::Key(KeyError::Foreign { .. })), "{foreign}");
        for error in [&other, &foreign] {
            let said = format!("{error} {error:?}");
            assert!(!said.contains(made.expose()) && !said.contains(PLATFORM_KEY), "{said}");
        }
        assert_eq!(store.get(&place.key(), 4096).await?, before);
        // A repository without a key gets none.
        store.put_new("b/shop/zed/g0001/config", b"c").await?;
        let missing =
            tenant_key(&store, &Place::of("b", "shop", "zed"), claim(&owner("zed")), &platform, true)
                .await
                .unwrap_err();
        assert!(matches!(missing, NoKey::Key(KeyError::Missing(_))), "{missing}");
        store.put_new("b/shop/odd/key.json", b"{}").await?;
        let damaged =
            tenant_key(&store, &Place::of("b", "shop", "odd"), claim(&owner("odd")), &platform, true)
                .await
                .unwrap_err();
        assert!(matches!(damaged, NoKey::Key(KeyError::Damaged(_))), "{damaged}");
    }
    Ok(())
}

/// Two operators at once: a key that the other one doesn't know would shut it out of every backup.
#[tokio::test]
async fn of_two_that_make_a_key_the_first_ones_counts() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let store = open(server, "locked")?;
        let (place, platform) = (Place::of("b", "shop", "acme"), SecretKey::parse(PLATFORM_KEY)?);
        let made = tenant_key(&store, &place, claim(&owner("acme")), &platform, true).await?;
        let proxy = Proxy::to(&server.url())?;
        let mut address = server.address("locked");
        address.endpoint = Some(proxy.url(&server.url()));
        let late = Store::open(&address, &credentials(&server.root()))?;
        // It looked a moment before.
        let none = proxy.fail_next(1, Matcher::path("key.json").method("GET"), Fault::status(404));
        let found = tenant_key(&late, &place, claim(&owner("acme")), &platform, true).await?;
        assert_eq!(proxy.hits(none), 1, "{}", server.name());
        assert!(found == made, "{}", server.name());
    }
    Ok(())
}

/// A cluster that was built anew has another id, and the same tenants.
#[tokio::test]
async fn keys_of_an_installation_that_is_gone_are_used_when_somebody_says_so() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let store = open(server, "locked")?;
        let (place, platform) = (Place::of("b", "shop", "acme"), SecretKey::parse(PLATFORM_KEY)?);
        let made = tenant_key(&store, &place, claim(&owner("acme")), &platform, true).await?;
        let before = store.get(&place.key(), 4096).await?;
        let anew = Owner { install_id: "i2".into(), ..owner("acme") };
        let refused = tenant_key(&store, &place, claim(&anew), &platform, true).await.unwrap_err();
        let words = "kubectl annotate platform shop tenantry.dev/adopt-install-ids=i1";
        assert!(refused.to_string().contains(words), "{refused}");
        let ids = adopted("i0, i1");
        let found =
            tenant_key(&store, &place, Claim { owner: &anew, adopted: &ids }, &platform, true).await?;
        assert!(found == made, "{}", server.name());
        // Of another Platform or Tenant it stays another's, and nothing is written over.
        for other in
            [Owner { platform: "lab".into(), ..anew.clone() }, Owner { tenant: "zed".into(), ..anew }]
        {
            let claim = Claim { owner: &other, adopted: &ids };
            let refused = tenant_key(&store, &place, claim, &platform, true).await.unwrap_err();
            assert!(matches!(refused, NoKey::Key(KeyError::Foreign { .. })), "{refused}");
        }
        assert_eq!(store.get(&place.key(), 4096).await?, before);
    }
    Ok(())
}

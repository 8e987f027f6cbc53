//! Buckets with files of tenants.

use tenantry::backup::buckets::{Aspect, judge};
use tenantry::store::Store;
use tenantry_testbed::{Fault, Matcher, Proxy, make_bucket};

use crate::Outcome;
use crate::bed::{self, Server, credentials, open};

#[tokio::test]
async fn a_bucket_is_set_right_and_what_a_store_cannot_do_is_said() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let client = server.client();
        client.create_bucket().bucket("files").send().await?;
        let store = open(server, "files")?;
        let seen = store.look_at_files(30, false).await;
        assert_eq!(judge("files", &seen, 30).reason, "NotVersioned", "{}: {seen:?}", server.name());
        let again = store.look_at_files(30, false).await;
        assert!(matches!(again.versions, Aspect::Broken(_)), "{}: a look changes nothing", server.name());
        let set = store.look_at_files(30, true).await;
        assert_eq!((&set.owner, &set.versions), (&Aspect::Kept, &Aspect::Set), "{}: {set:?}", server.name());
        let said = judge("files", &set, 30);
        match server {
            Server::Versitygw(_) => {
                assert_eq!((said.fit, said.reason), (false, "RetentionNotExact"), "{said:?}");
                let cannot = [&set.retention, &set.encryption, &set.privacy];
                assert_eq!(cannot, [&Aspect::Unsupported; 3], "{set:?}");
                assert!(said.message.contains("can't promise"), "{said:?}");
            }
            Server::Ministack(_) => {
                assert!(said.fit, "{said:?}");
                let kept = store.look_at_files(30, true).await;
                let all = [&kept.versions, &kept.retention, &kept.encryption, &kept.privacy];
                assert_eq!(all, [&Aspect::Kept; 4], "{kept:?}");
            }
        }
    }
    Ok(())
}

/// What isn't the owner's is left alone, and a yes of the store is no proof.
#[tokio::test]
async fn nothing_is_set_for_a_stranger_and_nothing_believed() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let name = server.name();
        server.client().create_bucket().bucket("files").send().await?;
        let proxy = Proxy::to(&server.url())?;
        let mut address = server.address("files");
        address.endpoint = Some(proxy.url(&server.url()));
        let store = Store::open(&address, &credentials(&server.root()))?;
        proxy.fail(Matcher::any().method("PUT"), Fault::status(200));
        let lied = store.look_at_files(30, true).await;
        let doubt = |words: &str| words.contains("the store took it, and doesn't have it");
        assert!(matches!(&lied.versions, Aspect::Broken(words) if doubt(words)), "{name}: {lied:?}");
        proxy.heal_all();
        proxy.forget_requests();
        address.expected_owner = Some("333333333333".into());
        // The other one gives a bucket to whoever expects any owner.
        if matches!(server, Server::Versitygw(_)) {
            let strange = Store::open(&address, &credentials(&server.root()))?;
            let said = strange.look_at_files(30, true).await;
            assert!(matches!(said.owner, Aspect::Broken(_)), "{name}: {said:?}");
            assert_eq!(proxy.writes(), Vec::<String>::new(), "{name}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn rules_of_others_stay_and_early_ones_are_named() -> Outcome {
    use aws_sdk_s3::types::{
        BucketLifecycleConfiguration, ExpirationStatus, LifecycleRule, LifecycleRuleFilter,
        NoncurrentVersionExpiration,
    };
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    let Some(server) = servers.iter().find(|one| matches!(one, Server::Ministack(_))) else { return Ok(()) };
    let client = server.client();
    make_bucket(&client, "files", None).await?;
    let store = open(server, "files")?;
    let rule = |id: &str, days: i32| {
        let expiry = NoncurrentVersionExpiration::builder().noncurrent_days(days).build();
        let filter = LifecycleRuleFilter::builder().prefix("logs/").build();
        let rule = LifecycleRule::builder().id(id).status(ExpirationStatus::Enabled).filter(filter);
        rule.noncurrent_version_expiration(expiry).build()
    };
    let put = async |days| -> Outcome {
        let all = BucketLifecycleConfiguration::builder().rules(rule("theirs", days)?).build()?;
        let request = client.put_bucket_lifecycle_configuration().bucket("files");
        request.lifecycle_configuration(all).send().await?;
        Ok(())
    };
    put(7).await?;
    let early = store.look_at_files(30, true).await;
    let said = judge("files", &early, 30);
    assert_eq!(said.reason, "RetentionNotExact", "{said:?}");
    assert!(said.message.contains("theirs removes old versions earlier"), "{said:?}");
    put(60).await?;
    assert_eq!(store.look_at_files(30, true).await.retention, Aspect::Set);
    let rules = client.get_bucket_lifecycle_configuration().bucket("files").send().await?;
    let mut ids: Vec<&str> = rules.rules().iter().filter_map(|rule| rule.id()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["tenantry-old-versions", "theirs"]);
    Ok(())
}

/// The age is measured, not read off the rule.
#[tokio::test]
async fn the_oldest_old_version_is_measured() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let (name, store) = (server.name(), open(server, "plain")?);
        store.put_new("photos/a", b"one").await?;
        assert_eq!(store.look_at_files(30, false).await.oldest, None, "{name}");
        store.remove("photos/a").await?;
        let report = store.look_at_files(30, false).await;
        let age = report.oldest.expect("what was removed is an old version now");
        assert!(report.counted && age.abs().as_secs() < 60, "{name}: {age}");
    }
    Ok(())
}

//! The documents of the archive account, in an account: roles, trust, ExternalId, and what the bucket denies.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tenantry::audit::ship::checks::{judge, may_ship};
use tenantry::audit::ship::look::look;
use tenantry::audit::ship::sink::{Place, Sink};
use tenantry::audit::ship::trouble::Trouble;
use tenantry::store::Lock;
use tenantry::store::access::{Access, Base, RoleAddress};
use tenantry::store::{Class, Store, StoreError};
use tenantry_testbed::{Ministack, Run, StoreKeys, programs};

use super::bed::{BUCKET, address, credentials};
use super::spool::{CLUSTER, Spool, ship_all};
use crate::Outcome;

const ARCHIVE: &str = "222222222222";
const WORKLOAD: &str = "111111111111";
const EXTERNAL: &str = "word-of-eu";
const PREFIX: &str = "audit";

/// What ministack can't judge, since it doesn't tell policies of these headers: with them it refuses every object.
const NOT_KNOWN: [&str; 2] = ["NothingUnlocked", "NothingTwice"];
/// The testbed speaks plain HTTP.
const TLS: &str = "NothingWithoutTLS";

fn document(name: &str) -> Outcome<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/archive-account").join(name);
    let mut text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (agent, witness) =
        (format!("arn:aws:iam::{WORKLOAD}:user/agent"), format!("arn:aws:iam::{ARCHIVE}:user/watch"));
    for (word, value) in [
        ("ARCHIVE_ACCOUNT", ARCHIVE),
        ("AGENT_PRINCIPAL", agent.as_str()),
        ("WITNESS_PRINCIPAL", witness.as_str()),
        ("ADMIN_ROLE", "administrators"),
        ("EXTERNAL_ID", EXTERNAL),
        ("BUCKET", BUCKET),
        ("PREFIX", PREFIX),
        ("CLUSTER", CLUSTER),
        ("REGION", tenantry_testbed::REGION),
        ("KEY_ID", "00000000-0000-0000-0000-000000000000"),
    ] {
        text = text.replace(word, value);
    }
    Ok(text)
}

fn without(policy: &str, left_out: &[&str]) -> Outcome<String> {
    let mut policy: Value = serde_json::from_str(policy)?;
    let statements = policy["Statement"].as_array_mut().ok_or("it has statements")?;
    let before = statements.len();
    statements.retain(|one| !left_out.iter().any(|sid| one["Sid"] == *sid));
    assert_eq!(statements.len(), before - left_out.len(), "they are there: {left_out:?}");
    Ok(policy.to_string())
}

struct Account {
    _run: Arc<Run>,
    server: Ministack,
    agent: StoreKeys,
    watch: StoreKeys,
}

impl Account {
    async fn start() -> Outcome<Option<Self>> {
        if programs::skip() {
            return Ok(None);
        }
        let run = Run::start()?;
        let server = Ministack::start_in(&run).await?;
        let client = server.client(ARCHIVE);
        client.create_bucket().bucket(BUCKET).object_lock_enabled_for_bucket(true).send().await?;
        lock_as_documented(&client).await?;
        for role in ["writer", "reader", "witness"] {
            let (trust, policy) =
                (document(&format!("{role}-trust.json"))?, document(&format!("{role}-policy.json"))?);
            server.role(ARCHIVE, &format!("tenantry-audit-{role}"), &trust, &policy).await?;
        }
        let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        let (agent, watch) =
            (server.user(WORKLOAD, "agent", all).await?, server.user(ARCHIVE, "watch", all).await?);
        let account = Self { _run: run, server, agent, watch };
        account.protect(&[NOT_KNOWN[0], NOT_KNOWN[1], TLS]).await?;
        Ok(Some(account))
    }

    async fn protect(&self, left_out: &[&str]) -> Outcome {
        // AWS tells policies the role's ARN, ministack that of its session.
        let policy = without(&document("bucket-policy.json")?, left_out)?;
        let policy = policy.replace(
            &format!("arn:aws:iam::{ARCHIVE}:role/tenantry-"),
            &format!("arn:aws:sts::{ARCHIVE}:assumed-role/tenantry-"),
        );
        let policy = ["writer", "reader", "witness"].iter().fold(policy, |policy, role| {
            policy.replace(&format!("audit-{role}\""), &format!("audit-{role}/*\""))
        });
        self.server.client(ARCHIVE).put_bucket_policy().bucket(BUCKET).policy(policy).send().await?;
        Ok(())
    }

    fn access(&self, keys: &StoreKeys, role: &str, external: Option<&str>, lock: Option<Lock>) -> Access {
        let role = RoleAddress {
            arn: format!("arn:aws:iam::{ARCHIVE}:role/tenantry-audit-{role}"),
            external_id: external.map(str::to_owned),
            endpoint: Some(self.server.url()),
        };
        Access::new(address(&self.server.url(), ARCHIVE, lock), Base::Given(credentials(keys)), Some(role))
    }

    fn sink(&self, external: &str, owner: &str) -> Arc<Sink> {
        let lock = Lock { mode: "COMPLIANCE".into(), days: 365 };
        let write = self.access(&self.agent, "writer", Some(external), Some(lock.clone()));
        let read = self.access(&self.agent, "reader", Some(external), None);
        let place = Place { bucket: BUCKET.into(), prefix: PREFIX.into(), owner: owner.into(), lock };
        Arc::new(Sink::new(write, Some(read), place))
    }
}

/// As `object-lock.json` says.
async fn lock_as_documented(client: &aws_sdk_s3::Client) -> Outcome {
    use aws_sdk_s3::types::{
        DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule,
    };
    let lock: Value = serde_json::from_str(&document("object-lock.json")?)?;
    let rule = &lock["Rule"]["DefaultRetention"];
    let days = i32::try_from(rule["Days"].as_i64().ok_or("it has days")?)?;
    let mode = ObjectLockRetentionMode::from(rule["Mode"].as_str().ok_or("it has a mode")?);
    let retention = DefaultRetention::builder().mode(mode).days(days).build();
    let lock = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(ObjectLockRule::builder().default_retention(retention).build())
        .build();
    client.put_object_lock_configuration().bucket(BUCKET).object_lock_configuration(lock).send().await?;
    Ok(())
}

fn denied<T: std::fmt::Debug>(answer: Result<T, StoreError>, what: &str) {
    match answer {
        Err(error) if error.class == Class::Denied => {}
        other => panic!("{what} should have been denied: {other:?}"),
    }
}

#[tokio::test]
async fn an_agent_in_another_account_ships_there_and_the_archive_is_fit() -> Outcome {
    let Some(account) = Account::start().await? else { return Ok(()) };
    let (mut spool, sink) = (Spool::new()?, account.sink(EXTERNAL, ARCHIVE));
    spool.seal(20)?;
    ship_all(&spool, &sink).await?;
    let folder = spool.stream().folder(PREFIX);
    let mut version = None;
    for _ in 0..2 {
        let findings = look(&sink, &folder, &mut version).await;
        let said = judge(BUCKET, sink.asked(), &findings);
        assert!(said.fit && may_ship(&findings), "{said:?} {findings:?}");
        assert_eq!(findings.account, Ok(Some(WORKLOAD.to_owned())));
    }
    let same = account.sink(EXTERNAL, WORKLOAD);
    let findings = look(&same, &folder, &mut version).await;
    assert_eq!(judge(BUCKET, same.asked(), &findings).reason, "SameAccount", "{findings:?}");
    // Somebody else's word: the role isn't given.
    let refused = ship_all(&spool, &account.sink("another", ARCHIVE)).await;
    assert!(matches!(&refused, Err(Trouble::Sink(error)) if error.class == Class::Denied), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn each_role_may_do_its_work_and_nothing_else() -> Outcome {
    let Some(account) = Account::start().await? else { return Ok(()) };
    let mut spool = Spool::new()?;
    spool.seal(5)?;
    ship_all(&spool, &account.sink(EXTERNAL, ARCHIVE)).await?;
    let at = |path: &str| format!("{}/{path}", spool.stream().folder(PREFIX));
    let writer = account.access(&account.agent, "writer", Some(EXTERNAL), None).store().await?;
    let reader = account.access(&account.agent, "reader", Some(EXTERNAL), None).store().await?;
    let witness = account.access(&account.watch, "witness", None, None).store().await?;
    let segment = at("segments/00000000000000000000-00000000000000000004.zst");
    witness.put_over(&at("checkpoint"), b"cosigned").await?;
    witness.put_over(&at("checkpoint"), b"cosigned again").await?;
    assert_eq!(reader.get(&at("checkpoint"), 99).await?, b"cosigned again");
    assert!(witness.get(&segment, 9999).await?.len() > 50);
    assert_eq!(witness.list(&at("segments/"), "", 9).await?.objects.len(), 1);
    denied(writer.put_over(&at("checkpoint"), b"forged").await, "the writer's checkpoint");
    denied(writer.put_new(&format!("{PREFIX}/us/cp-1/e/x"), b"x").await, "another cluster's folder");
    denied(writer.get(&segment, 9999).await, "the writer's reading");
    denied(writer.head(&segment).await, "the writer's look");
    denied(writer.list(&at(""), "", 9).await, "the writer's listing");
    denied(writer.list_versions(&at(""), 9).await, "the writer's listing of versions");
    denied(reader.get(&segment, 9999).await, "the reader's reading of a segment");
    denied(reader.put_over(&at("checkpoint"), b"x").await, "the reader's writing");
    denied(reader.list(&at(""), "", 9).await, "the reader's listing");
    denied(witness.put_over(&segment, b"x").await, "the witness' segment");
    let version = witness.list_versions(&segment, 9).await?.versions.remove(0).version;
    for (who, store) in [("writer", &writer), ("reader", &reader), ("witness", &witness)] {
        denied(store.remove(&segment).await, who);
        denied(store.remove_version(&segment, &version).await, who);
    }
    // Whoever else there is in the account, with all rights of its own.
    let other = Store::open(&address(&account.server.url(), ARCHIVE, None), &credentials(&account.watch))?;
    denied(other.get(&segment, 9999).await, "a stranger's reading");
    denied(other.remove_version(&segment, &version).await, "a stranger's removing");
    denied(other.put_over(&at("checkpoint"), b"x").await, "a stranger's checkpoint");
    // Plain HTTP, as all of this is: with the statement that was left out above nobody gets anything.
    account.protect(&NOT_KNOWN).await?;
    denied(witness.get(&at("checkpoint"), 99).await, "reading without TLS");
    Ok(())
}

/// What ministack can't judge is there at least, and says what the README says.
#[test]
fn the_documents_say_what_they_must() -> Outcome {
    let policy: Value = serde_json::from_str(&document("bucket-policy.json")?)?;
    let statements = policy["Statement"].as_array().ok_or("it has statements")?;
    let all: BTreeSet<&str> = statements.iter().filter_map(|one| one["Sid"].as_str()).collect();
    assert_eq!(all.len(), statements.len(), "each has a name of its own");
    assert!(statements.iter().all(|one| one["Effect"] == "Deny" && one["Principal"] == "*"), "{policy}");
    let of = |sid: &str| statements.iter().find(|one| one["Sid"] == sid).cloned().unwrap_or_default();
    assert_eq!(of("NothingUnlocked")["Condition"]["Null"]["s3:object-lock-mode"], "true");
    assert_eq!(of("NothingTwice")["Condition"]["Null"]["s3:if-none-match"], "true");
    let lock: Value = serde_json::from_str(&document("object-lock.json")?)?;
    let days = lock["Rule"]["DefaultRetention"]["Days"].as_i64().ok_or("it has days")?;
    // The lock of a put is a moment shorter when it arrives.
    let least = &of("NoShortLock")["Condition"]["NumericLessThan"]["s3:object-lock-remaining-retention-days"];
    assert_eq!(least.as_str(), Some((days - 1).to_string().as_str()));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/archive-account");
    let readme = std::fs::read_to_string(folder.join("README.md"))?;
    for entry in std::fs::read_dir(&folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        assert!(
            name == "README.md" || readme.contains(&format!("`{name}`")),
            "the README doesn't name {name}"
        );
        if name.ends_with(".json") {
            let text = document(&name)?;
            serde_json::from_str::<Value>(&text).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    Ok(())
}

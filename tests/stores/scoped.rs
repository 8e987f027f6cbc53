//! Credentials for one run: its tenant's folder, and no more than its role needs.

use std::time::Duration;

use tenantry::backup::layout::Place;
use tenantry::backup::store::policy::Role;
use tenantry::backup::store::scoped;
use tenantry::store::access::{Access, Base, RoleAddress};
use tenantry::store::{Class, Credentials, Store, StoreError};
use tenantry_testbed::{Ministack, Run, make_bucket, programs};

use crate::Outcome;
use crate::bed::{ACCOUNT, address, credentials};

/// Where the operator lives.
const OPERATOR: &str = "111111111111";
const EXTERNAL: &str = "shop-1";

pub(crate) struct Bed {
    _run: std::sync::Arc<Run>,
    server: Ministack,
    access: Access,
    arn: String,
}

/// A bucket in one account, an operator in another, and a role between them.
pub(crate) async fn bed() -> Outcome<Option<Bed>> {
    if programs::skip() {
        return Ok(None);
    }
    let run = Run::start()?;
    let server = Ministack::start_in(&run).await?;
    make_bucket(&server.client(ACCOUNT), "backups", None).await?;
    let (keys, arn) = server.trusted((OPERATOR, ACCOUNT), EXTERNAL, "backups").await?;
    let mut address = address(&server.url(), "backups");
    address.expected_owner = Some(ACCOUNT.into());
    let role = role_address(&server, &arn, EXTERNAL);
    let access = Access::new(address, Base::Given(credentials(&keys)), Some(role));
    Ok(Some(Bed { _run: run, server, access, arn }))
}

fn role_address(server: &Ministack, arn: &str, external: &str) -> RoleAddress {
    RoleAddress { arn: arn.into(), external_id: Some(external.into()), endpoint: Some(server.url()) }
}

impl Bed {
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// What a run of that role gets for a tenant.
    pub(crate) async fn credentials(&self, role: Role, tenant: &str) -> Outcome<Credentials> {
        let place = Place::of("b", "shop", tenant);
        let scoped = scoped(&self.access, (role, &place), "backup-app/1", Duration::from_secs(60)).await?;
        assert!(!scoped.shared && scoped.credentials.expires().is_some(), "{scoped:?}");
        Ok(scoped.credentials)
    }

    async fn tenant(&self, role: Role, tenant: &str) -> Outcome<Store> {
        let address = self.access.store().await?.address().clone();
        Ok(Store::open(&address, &self.credentials(role, tenant).await?)?)
    }
}

fn denied<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    match answer {
        Err(error) if error.class == Class::Denied => {}
        other => panic!("it should have been denied: {other:?}"),
    }
}

/// B22, from the operator's side: another tenant's credentials reach nothing.
#[tokio::test]
async fn one_tenants_credentials_are_refused_elsewhere() -> Outcome {
    let Some(bed) = bed().await? else { return Ok(()) };
    let own = bed.access.store().await?;
    for tenant in ["acme", "acme2", "zed"] {
        own.put_new(&format!("b/shop/{tenant}/g0001/config"), b"c").await?;
        own.put_new(&format!("b/shop/{tenant}/records/r.json"), b"{}").await?;
    }
    for role in [Role::Backup, Role::Prune, Role::Read] {
        let acme = bed.tenant(role, "acme").await?;
        assert_eq!(acme.get("b/shop/acme/g0001/config", 9).await?, b"c", "{role:?}");
        assert_eq!(acme.list("b/shop/acme/g0001/", "", 9).await?.objects.len(), 1, "{role:?}");
        for other in ["acme2", "zed"] {
            denied(acme.get(&format!("b/shop/{other}/g0001/config"), 9).await);
            denied(acme.list(&format!("b/shop/{other}/"), "", 9).await);
            denied(acme.put_new(&format!("b/shop/{other}/g0001/x"), b"x").await);
            denied(acme.put_new(&format!("b/shop/{other}/records/x.json"), b"x").await);
            denied(acme.remove(&format!("b/shop/{other}/g0001/config")).await);
        }
        denied(acme.list("b/shop/", "", 9).await);
    }
    Ok(())
}

#[tokio::test]
async fn each_role_may_do_its_work_and_no_more() -> Outcome {
    let Some(bed) = bed().await? else { return Ok(()) };
    let own = bed.access.store().await?;
    let at = |path: &str| format!("b/shop/acme/{path}");
    for path in ["key.json", "g0001/data/aa/pack", "g0001/snapshots/s", "g0001/locks/l"] {
        own.put_new(&at(path), b"x").await?;
    }
    let (backup, prune) = (bed.tenant(Role::Backup, "acme").await?, bed.tenant(Role::Prune, "acme").await?);
    let read = bed.tenant(Role::Read, "acme").await?;
    backup.put_new(&at("g0001/data/bb/pack"), b"new").await?;
    backup.put_proved(&at("records/b.json"), b"{}").await?;
    denied(backup.get(&at("g0001/data/bb/pack"), 9).await);
    denied(backup.head(&at("g0001/data/bb/pack")).await);
    denied(backup.remove(&at("g0001/data/bb/pack")).await);
    denied(backup.remove(&at("g0001/snapshots/s")).await);
    backup.remove(&at("g0001/locks/l")).await?;
    denied(read.put_new(&at("g0001/data/cc/pack"), b"new").await);
    denied(read.remove(&at("g0001/data/bb/pack")).await);
    assert_eq!(read.get(&at("g0001/data/bb/pack"), 9).await?, b"new");
    read.put_proved(&at("records/d.json"), b"{}").await?;
    prune.remove(&at("g0001/snapshots/s")).await?;
    prune.remove(&at("g0001/data/bb/pack")).await?;
    for store in [&backup, &prune, &read] {
        denied(store.put_new(&at("key.json"), b"another").await);
        denied(store.remove(&at("key.json")).await);
        denied(store.remove(&at("records/b.json")).await);
    }
    Ok(())
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_is_named() -> Outcome {
    let Some(bed) = bed().await? else { return Ok(()) };
    let address = bed.access.store().await?.address().clone();
    let nothing = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
    let nobody = bed.server.user(OPERATOR, "nobody", nothing).await?;
    for (arn, external) in [(bed.arn.as_str(), "another"), ("arn:aws:iam::222222222222:role/none", EXTERNAL)]
    {
        let role = role_address(&bed.server, arn, external);
        let access = Access::new(address.clone(), Base::Given(credentials(&nobody)), Some(role));
        let refused = access.store().await.unwrap_err();
        assert!(refused.to_string().contains(arn), "{refused}");
        assert!(!refused.class.is_passing(), "{refused}");
    }
    let shared = Access::new(address, Base::Given(credentials(&nobody)), None);
    let place = Place::of("b", "shop", "acme");
    let scoped = scoped(&shared, (Role::Read, &place), "drill", Duration::from_secs(60)).await?;
    assert!(scoped.shared && !shared.is_scoped());
    Ok(())
}

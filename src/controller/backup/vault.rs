//! What a Platform's backups need beside its spec: the store, asked whether it is fit; the keys of Tenants, unwrapped; and
//! what each Tenant has in the store.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tracing::{debug, warn};

use crate::{
    api::{Platform, backup::Backups, conditions::reasons, marks},
    backup::{
        key::{self, Claim, Owner, Password},
        known,
        layout::Place,
        store::{
            checks::{self, Asked},
            inventory::Inventory,
            keys, probe_key,
        },
        task::Work,
    },
    controller::context::Context,
    observe::runs::{JobFacts, State},
    store::{Credentials, StoreAddress, verdict::Judgement},
};

use super::{
    case::Cases,
    locks::Locks,
    open::{Open, Shut, open},
};

/// Time between two looks at Secrets and at the store.
const REFRESH: SignedDuration = SignedDuration::from_mins(5);
/// Time after which one that failed is tried again.
const AGAIN: SignedDuration = SignedDuration::from_secs(20);
/// Looks into the store at once.
const AT_ONCE: usize = 16;

/// One Platform's.
#[derive(Default)]
pub(super) struct Vault {
    open: Option<Open>,
    /// The spec that it was opened for.
    opened: Option<Generation>,
    /// Whose part of which store is known.
    part: Option<Part>,
    /// When the Secrets and the store were looked at last, and for which Platform and generation of its spec.
    tried: Option<(Timestamp, Generation)>,
    fit: bool,
    /// Installations whose keys are ours by now.
    adopted: Vec<String>,
    tenants: HashMap<String, OfTenant>,
    /// How the Secrets of Jobs stand, by the Jobs' uids.
    pub(super) tended: HashMap<String, super::tend::Tended>,
    /// Its Tenants' buckets of files.
    pub(super) files: super::files::Files,
    /// Its Tenants' volumes, and what their runs need.
    pub(super) volumes: super::volumes::Volumes,
    /// What the last round knew of its Tenants.
    pub(super) cases: Cases,
    /// Its runs that couldn't begin and let others go first.
    pub(super) back: super::begin::Back,
    /// Why a Tenant's runs couldn't begin.
    pub(super) problems: HashMap<String, String>,
}

/// uid of a Platform, and the generation of its spec: another one of its name begins at 1 again.
type Generation = (Option<String>, Option<i64>);

/// uid of a Platform, its store, and the prefix there.
type Part = (Option<String>, StoreAddress, String);

#[derive(Default)]
struct OfTenant {
    inventory: Inventory,
    locks: Locks,
    seen: Option<Arc<known::Store>>,
    looked: Option<Timestamp>,
    /// When somebody tried last, and failed.
    failed: Option<Timestamp>,
    password: Option<Password>,
}

impl Vault {
    /// Reads the Secrets and asks the store, where that is due.
    pub(super) async fn refresh(&mut self, ctx: &Context, platform: &Platform, backups: &Backups) {
        // Annotations make no generation.
        let annotations = platform.metadata.annotations.as_ref();
        let adopt = annotations.and_then(|map| map.get(marks::ADOPT_INSTALL_IDS));
        self.adopted = adopt.map(|ids| key::adopted(ids)).unwrap_or_default();
        let meta = &platform.metadata;
        let (now, generation) = (Timestamp::now(), (meta.uid.clone(), meta.generation));
        let wait = if self.fit { REFRESH } else { AGAIN };
        let young =
            |(at, of): &(Timestamp, Generation)| *of == generation && now.duration_since(*at).abs() < wait;
        if self.tried.as_ref().is_some_and(young) {
            return;
        }
        self.tried = Some((now, generation.clone()));
        let name = platform.metadata.name.clone().unwrap_or_default();
        let judgement = match open(ctx, &name, backups).await {
            Ok(open) => {
                let asked = Asked {
                    lock: open.address.lock.clone(),
                    retention_days: backups.retention_days,
                    scoped: open.access.is_scoped(),
                };
                let findings = open.store.look(&probe_key(&backups.store.prefix, &name)).await;
                self.take(generation, open);
                checks::judge(&backups.store.bucket, &asked, &findings)
            }
            Err(Shut::Passing(problem))
                if self.open.is_some() && self.opened.as_ref() == Some(&generation) =>
            {
                // What was found stands, and grows old. The next round tries again.
                warn!(platform = name, problem, "its Secrets can't be read now");
                self.tried = None;
                return;
            }
            Err(Shut::Passing(problem)) => self.lose(Judgement::no(reasons::INPUT_UNREADABLE, problem)),
            Err(Shut::Wrong(judgement)) => self.lose(judgement),
        };
        self.fit = judgement.fit;
        debug!(platform = name, reason = judgement.reason, fit = judgement.fit, "store looked at");
        ctx.board().stores.insert(name.clone(), (judgement, now));
        ctx.platforms.add(name);
    }

    /// Takes a store. What is known of another one says nothing of it, and least of all may the key of a Tenant be taken
    /// along: where its wrapped key isn't, nobody could ever read what was written with it.
    fn take(&mut self, generation: Generation, open: Open) {
        let part = Some((generation.0.clone(), open.address.clone(), open.backups.store.prefix.clone()));
        if self.part != part {
            self.tenants.clear();
            self.part = part;
        }
        (self.open, self.opened) = (Some(open), Some(generation));
    }

    fn lose(&mut self, judgement: Judgement) -> Judgement {
        self.open = None;
        judgement
    }

    /// Whether backups may go there.
    pub(super) fn is_fit(&self) -> bool {
        self.fit && self.open.is_some()
    }

    /// Whether each run has credentials for its Tenant's folder alone.
    pub(super) fn is_scoped(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.access.is_scoped())
    }

    /// Where the store is.
    pub(super) fn address(&self) -> StoreAddress {
        self.open.as_ref().map(|open| open.address.clone()).unwrap_or_default()
    }

    /// A Tenant's part of the store.
    pub(super) fn place(&self, tenant: &str) -> Place {
        match &self.open {
            Some(open) => open.place(tenant),
            None => Place::of("", "", tenant),
        }
    }

    /// What a Tenant had in the store at the last look.
    pub(super) fn seen(&self, tenant: &str) -> Option<Arc<known::Store>> {
        self.tenants.get(tenant)?.seen.clone()
    }

    /// How many of a Tenant's restore points are gone though they are younger than they may go, by database.
    pub(super) fn gone_early(&self, tenant: &str, retention_days: u32) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        let one = self.tenants.get(tenant).and_then(|one| Some((one, one.seen.as_ref()?.clock)));
        for point in one.iter().flat_map(|(one, clock)| one.inventory.gone_early(retention_days, *clock)) {
            *counts.entry(point.database.clone()).or_default() += 1;
        }
        counts
    }

    /// Share of each repository of a Tenant that is under lock, in percent, by generation.
    pub(super) fn locked(&self, tenant: &str) -> BTreeMap<u32, u32> {
        self.tenants.get(tenant).map(|one| one.locks.percents()).unwrap_or_default()
    }

    /// Looks into the store for those whose last look is old, or whose runs have ended since.
    pub(super) async fn look<'a>(
        &mut self,
        tenants: impl Iterator<Item = (&'a str, &'a [JobFacts])>,
        now: Timestamp,
    ) {
        let all: HashMap<&str, &[JobFacts]> = tenants.collect();
        self.tenants.retain(|name, _| all.contains_key(name.as_str()));
        let Some(open) = self.open.as_ref().filter(|_| self.fit) else { return };
        for name in all.keys() {
            self.tenants.entry((*name).to_owned()).or_default();
        }
        let due = self.tenants.iter_mut().filter(|(name, one)| one.is_due(all[name.as_str()], now));
        stream::iter(due)
            .for_each_concurrent(AT_ONCE, |(name, one)| async move {
                match one.inventory.look(&open.store, &open.place(name), Timestamp::now()).await {
                    Ok(seen) => {
                        (one.looked, one.failed) = (Some(now), None);
                        if let Some(lock) = &open.address.lock {
                            one.locks.look(&open.store, &open.place(name), lock.days, &seen, now).await;
                        }
                        one.seen = Some(Arc::new(seen));
                    }
                    Err(error) => {
                        one.failed = Some(now);
                        warn!(tenant = name, %error, "its part of the store can't be looked into");
                    }
                }
            })
            .await;
    }

    /// What lies beside a task, but for its connection.
    ///
    /// # Errors
    /// A key or credentials can't be had.
    pub(super) async fn files(
        &mut self,
        install_id: &str,
        tenant: &str,
        work: &Work,
    ) -> Result<BTreeMap<String, String>, String> {
        let open = self.open.as_ref().ok_or("the store isn't fit; see StoreReady on the Platform")?;
        let place = open.place(tenant);
        let one = self.tenants.entry(tenant.to_owned()).or_default();
        if one.password.is_none() {
            let owner = Owner {
                install_id: install_id.to_owned(),
                platform: open.platform.clone(),
                tenant: tenant.to_owned(),
            };
            let claim = Claim { owner: &owner, adopted: &self.adopted };
            let found = keys::tenant_key(&open.store, &place, claim, &open.key, true).await;
            one.password = Some(found.map_err(|error| error.to_string())?);
        }
        let password = one.password.as_ref().map(Password::expose).unwrap_or_default().to_owned();
        let mut files = BTreeMap::from([("password".to_owned(), password)]);
        put(&mut files, "", &open.credentials(&place, tenant, work).await?);
        if work.is_drill() {
            // Nobody's: what must not open this repository is no other tenant's secret.
            let nobody = Password::new().map_err(|error| error.to_string())?;
            files.insert("other/password".to_owned(), nobody.expose().to_owned());
            if open.access.is_scoped() {
                let nobody = open.place(NOBODY);
                put(&mut files, "other/", &open.credentials(&nobody, NOBODY, work).await?);
                files.insert("other/prefix".to_owned(), nobody.prefix);
            }
        }
        Ok(files)
    }
}

/// A Tenant that can't be: names have no dots.
const NOBODY: &str = "no.body";

impl OfTenant {
    fn is_due(&self, jobs: &[JobFacts], now: Timestamp) -> bool {
        if self.failed.is_some_and(|failed| now.duration_since(failed).abs() < AGAIN) {
            return false;
        }
        let Some(looked) = self.looked else { return true };
        let ended = |job: &JobFacts| job.state != State::Active && job.ended.is_some_and(|end| end >= looked);
        now.duration_since(looked).abs() >= REFRESH || jobs.iter().any(ended)
    }
}

fn put(files: &mut BTreeMap<String, String>, below: &str, credentials: &Credentials) {
    let mut one = |name: &str, text: &str| files.insert(format!("{below}aws-{name}"), text.to_owned());
    one("access-key-id", credentials.access_key_id());
    one("secret-access-key", credentials.expose_secret());
    if let Some(token) = credentials.expose_token() {
        one("session-token", token);
    }
    if let Some(end) = credentials.expires() {
        one("expiration", &end.to_string());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        backup::key::SecretKey,
        store::access::{Access, Base},
    };

    async fn open_at(bucket: &str, prefix: &str) -> Open {
        let backups = json!({
            "store": {"region": "r", "bucket": bucket, "prefix": prefix, "credentials": {"name": "k"}},
            "key": {"secret": {"name": "k"}},
        });
        let backups: Backups = serde_json::from_value(backups).unwrap();
        let address = StoreAddress::of(&backups.store, None);
        let base = Base::Given(Credentials::new("id", "secret", None).unwrap());
        let access = Access::new(address.clone(), base, None);
        let store = access.store().await.unwrap();
        let key = SecretKey::parse(&"0123456789abcdef".repeat(4)).unwrap();
        Open { platform: "shop".into(), backups, address, access, store, key }
    }

    #[tokio::test]
    async fn keys_and_restore_points_of_one_bucket_are_none_of_anothers() {
        let mut vault = Vault::default();
        let uid = |uid: &str| (Some(uid.to_owned()), Some(1));
        let mut taken = |generation: Generation, open: Open| {
            vault.take(generation, open);
            let known = vault.tenants.contains_key("acme");
            vault.tenants.entry("acme".into()).or_default().password = Password::new().ok();
            known
        };
        assert!(!taken(uid("1"), open_at("one", "").await));
        assert!(taken(uid("1"), open_at("one", "").await), "Secrets are read again and again");
        assert!(!taken(uid("1"), open_at("two", "").await), "another bucket");
        assert!(!taken(uid("1"), open_at("two", "eu").await), "another folder of it");
        assert!(!taken(uid("2"), open_at("two", "eu").await), "another Platform of the same name");
    }

    #[test]
    fn a_tenants_part_is_looked_into_when_something_may_be_new() {
        let now: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let ago = |minutes| now - SignedDuration::from_mins(minutes);
        let due = |looked, failed: Option<Timestamp>, jobs: &[JobFacts]| {
            OfTenant { looked, failed, ..OfTenant::default() }.is_due(jobs, now)
        };
        let job = |state, ended| JobFacts { state, ended: Some(ended), ..JobFacts::default() };
        assert!(due(None, None, &[]) && due(Some(ago(5)), None, &[]) && !due(Some(ago(4)), None, &[]));
        // What a run did is seen at once, and once.
        assert!(due(Some(ago(4)), None, &[job(State::Failed, ago(3))]));
        assert!(!due(Some(ago(2)), None, &[job(State::Failed, ago(3))]));
        // A store that failed is left alone for a moment, whatever has ended.
        assert!(!due(None, Some(now), &[job(State::Succeeded, now)]) && due(None, Some(ago(1)), &[]));
    }
}

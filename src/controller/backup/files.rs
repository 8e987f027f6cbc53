//! Buckets with files of Tenants: looked at now and then, and set right where the Tenant is enforced.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{Tenant, conditions::reasons, data::Bucket},
    backup::buckets::judge,
    controller::context::Context,
    observe::secrets,
    store::{Credentials, Store, StoreAddress, verdict::Judgement},
};

/// Time between two looks at a bucket: its versions are listed.
const REFRESH: SignedDuration = SignedDuration::from_hours(1);
/// Time after which one that isn't right is looked at again.
const AGAIN: SignedDuration = SignedDuration::from_mins(5);
/// Longest time for one look.
const LOOK: Duration = Duration::from_secs(60);
/// Looks at once.
const AT_ONCE: usize = 8;

/// What the last looks found, by Tenant and by name in `Tenant.spec.buckets`.
#[derive(Default)]
pub(super) struct Files(HashMap<String, BTreeMap<String, (Judgement, Timestamp)>>);

impl Files {
    /// What is known of a Tenant's buckets.
    pub(super) fn of(&self, tenant: &str) -> BTreeMap<String, (Judgement, Timestamp)> {
        self.0.get(tenant).cloned().unwrap_or_default()
    }

    /// Looks at those whose last look is old. `tenants` tells of each whether what isn't right may be set.
    pub(super) async fn look(&mut self, ctx: &Context, tenants: &[(Arc<Tenant>, bool)], days: u32) {
        let now = Timestamp::now();
        let due = self.due(tenants, now);
        let looks = stream::iter(due).map(|one| {
            let ctx = ctx.clone();
            async move {
                let late = "it didn't answer in time; it is asked again";
                let look = tokio::time::timeout(LOOK, look(&ctx, &one.bucket, days, one.set)).await;
                let found = look.unwrap_or_else(|_| Judgement::no(reasons::STORE_UNREACHABLE, late));
                (one.tenant, one.bucket.name, found)
            }
        });
        let found: Vec<_> = looks.buffer_unordered(AT_ONCE).collect().await;
        for (tenant, bucket, judgement) in found {
            self.0.entry(tenant).or_default().insert(bucket, (judgement, now));
        }
    }

    /// Forgets what nobody lists any more.
    fn due(&mut self, tenants: &[(Arc<Tenant>, bool)], now: Timestamp) -> Vec<Due> {
        let mut kept = std::mem::take(&mut self.0);
        let mut all = Vec::new();
        for (tenant, set) in tenants.iter().filter(|(tenant, _)| !tenant.spec.buckets.is_empty()) {
            let name = tenant.metadata.name.clone().unwrap_or_default();
            let mut before = kept.remove(&name).unwrap_or_default();
            before.retain(|one, _| tenant.spec.buckets.iter().any(|bucket| bucket.name == *one));
            let old = |bucket: &&Bucket| before.get(&bucket.name).is_none_or(|found| is_old(found, now));
            let due = tenant.spec.buckets.iter().filter(old);
            all.extend(due.map(|bucket| Due { tenant: name.clone(), bucket: bucket.clone(), set: *set }));
            self.0.insert(name, before);
        }
        all
    }
}

/// A bucket to look at.
struct Due {
    tenant: String,
    bucket: Bucket,
    set: bool,
}

fn is_old((judgement, at): &(Judgement, Timestamp), now: Timestamp) -> bool {
    now.duration_since(*at).abs() >= if judgement.fit { REFRESH } else { AGAIN }
}

/// One look, with the credentials that the Tenant names.
async fn look(ctx: &Context, bucket: &Bucket, days: u32, set: bool) -> Judgement {
    let store = match open(ctx, bucket).await {
        Ok(store) => store,
        Err(problem) => return Judgement::no(reasons::INPUT_UNREADABLE, problem),
    };
    judge(&bucket.bucket, &store.look_at_files(days, set).await, days)
}

async fn open(ctx: &Context, bucket: &Bucket) -> Result<Store, String> {
    let secret = &bucket.credentials.name;
    let values =
        secrets::texts(&ctx.client, &ctx.namespace, secret).await.map_err(|error| error.to_string())?;
    let part = |key: &str| values.get(key).map(String::as_str).unwrap_or_default();
    let token = values.get("aws-session-token").map(String::as_str);
    let given = Credentials::new(part("aws-access-key-id"), part("aws-secret-access-key"), token);
    let given = given.map_err(|error| format!("Secret {}/{secret} can't be used: {error}", ctx.namespace))?;
    let address = StoreAddress {
        endpoint: bucket.endpoint.clone(),
        region: bucket.region.clone(),
        bucket: bucket.bucket.clone(),
        expected_owner: bucket.expected_owner.clone(),
        // Both ways lead to AWS' buckets; most other stores know only this one.
        path_style: bucket.endpoint.is_some(),
        ..StoreAddress::default()
    };
    Store::open(&address, &given).map_err(|error| error.to_string())
}

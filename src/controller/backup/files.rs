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
pub(super) struct Files(HashMap<String, BTreeMap<String, Found>>);

/// What one look found, and what it was to look for.
struct Found {
    due: Due,
    judgement: Judgement,
    at: Timestamp,
}

impl Files {
    /// What is known of a Tenant's buckets.
    pub(super) fn of(&self, tenant: &str) -> BTreeMap<String, (Judgement, Timestamp)> {
        let found = self.0.get(tenant).into_iter().flatten();
        found.map(|(name, found)| (name.clone(), (found.judgement.clone(), found.at))).collect()
    }

    /// Looks at those whose last look is old. `tenants` tells of each whether what isn't right may be set.
    pub(super) async fn look(&mut self, ctx: &Context, tenants: &[(Arc<Tenant>, bool)], days: u32) {
        let now = Timestamp::now();
        let due = self.due(tenants, days, now);
        let looks = stream::iter(due).map(|due| {
            let ctx = ctx.clone();
            async move {
                let late = "it didn't answer in time; it is asked again";
                let look = tokio::time::timeout(LOOK, look(&ctx, &due)).await;
                let judgement = look.unwrap_or_else(|_| Judgement::no(reasons::STORE_UNREACHABLE, late));
                Found { due, judgement, at: now }
            }
        });
        let found: Vec<_> = looks.buffer_unordered(AT_ONCE).collect().await;
        found.into_iter().for_each(|found| self.keep(found));
    }

    fn keep(&mut self, found: Found) {
        self.0.entry(found.due.tenant.clone()).or_default().insert(found.due.bucket.name.clone(), found);
    }

    /// Forgets what nobody asks for any more: what is known of one bucket says nothing of the next one of its name.
    fn due(&mut self, tenants: &[(Arc<Tenant>, bool)], days: u32, now: Timestamp) -> Vec<Due> {
        let mut kept = std::mem::take(&mut self.0);
        let mut all = Vec::new();
        for (tenant, set) in tenants.iter().filter(|(tenant, _)| !tenant.spec.buckets.is_empty()) {
            let name = tenant.metadata.name.clone().unwrap_or_default();
            let mut before = kept.remove(&name).unwrap_or_default();
            for bucket in &tenant.spec.buckets {
                let due = Due { tenant: name.clone(), bucket: bucket.clone(), set: *set, days };
                match before.remove(&bucket.name).filter(|found| found.due == due) {
                    Some(found) if !found.is_old(now) => self.keep(found),
                    Some(found) => {
                        self.keep(found);
                        all.push(due);
                    }
                    None => all.push(due),
                }
            }
        }
        all
    }
}

/// A bucket to look at, and what shall be.
#[derive(Clone, PartialEq, Eq)]
struct Due {
    tenant: String,
    bucket: Bucket,
    set: bool,
    days: u32,
}

impl Found {
    fn is_old(&self, now: Timestamp) -> bool {
        now.duration_since(self.at).abs() >= if self.judgement.fit { REFRESH } else { AGAIN }
    }
}

/// One look, with the credentials that the Tenant names.
async fn look(ctx: &Context, due: &Due) -> Judgement {
    let store = match open(ctx, &due.bucket).await {
        Ok(store) => store,
        Err(problem) => return Judgement::no(reasons::INPUT_UNREADABLE, problem),
    };
    judge(&due.bucket.bucket, &store.look_at_files(due.days, due.set).await, due.days)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tenant(bucket: &str) -> Arc<Tenant> {
        let tenant = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme"},
            "spec": {
                "platformRef": {"name": "shop"},
                "buckets": [{"name": "files", "bucket": bucket, "region": "r", "credentials": {"name": "k"}}],
            },
        });
        Arc::new(serde_json::from_value(tenant).unwrap())
    }

    #[test]
    fn what_is_known_of_one_bucket_says_nothing_of_the_next() {
        let now: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let mut files = Files::default();
        let mut looked = |bucket: &str, (set, days): (bool, u32), minutes: i64| {
            let at = now + SignedDuration::from_mins(minutes);
            let due = files.due(&[(tenant(bucket), set)], days, at);
            let many = due.len();
            for due in due {
                let judgement = Judgement { fit: true, ..Judgement::no("", "") };
                files.keep(Found { due, judgement, at });
            }
            (many, files.of("acme").len())
        };
        assert_eq!(looked("one", (true, 30), 0), (1, 1));
        assert_eq!(looked("one", (true, 30), 59), (0, 1));
        assert_eq!(looked("one", (true, 30), 60), (1, 1), "an hour later");
        assert_eq!(looked("two", (true, 30), 61), (1, 1), "another bucket of the same name");
        assert_eq!(looked("two", (true, 31), 61), (1, 1), "to be kept longer");
        assert_eq!(looked("two", (false, 31), 61), (1, 1), "nothing may be set any more");
    }
}

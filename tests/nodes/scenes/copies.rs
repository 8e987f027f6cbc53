//! etcd is put back to an older copy: what Git says comes back, and nothing is deleted beyond it.

use std::{collections::BTreeMap, time::Instant};

use serde_json::{Value, json};
use tenantry_testbed::{Repo, eventually};

use super::{Line, pods::restarts};
use crate::{
    site::{SOON, Site},
    support::{
        Outcome, at,
        objects::{condition, name, text, uid},
        world::platform,
    },
    writes::{deletions, judge, writes},
};

/// A Platform with its repository, and the Tenants in it.
struct Source<'s> {
    site: &'s Site,
    platform: String,
    repo: Repo,
}

impl<'s> Source<'s> {
    async fn new(site: &'s Site, name: &str) -> Outcome<Self> {
        let repo = site.bed.git()?.create(name)?;
        Ok(Self { site, platform: name.to_owned(), repo })
    }

    fn tenant(&self, name: &str) -> String {
        format!("{}-{name}", self.platform)
    }

    fn file(&self, name: &str, lifecycle: &str, pods: i32) -> (String, String) {
        let tenant = self.tenant(name);
        let spec = json!({
            "platformRef": {"name": self.platform}, "lifecycle": lifecycle,
            "services": [self.site.service("web", pods)],
        });
        let body = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": tenant}, "spec": spec,
        });
        (format!("tenants/{name}.yaml"), body.to_string())
    }

    fn commit(&self, tenants: &[(&str, &str, i32)], message: &str) -> Outcome<String> {
        let files: Vec<_> =
            tenants.iter().map(|(name, lifecycle, pods)| self.file(name, lifecycle, *pods)).collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
        Ok(self.repo.commit(&files, message)?)
    }

    /// Waits until the Platform says that a commit is applied, and its Tenants that they are as it says.
    async fn is_done(&self, commit: &str, ready: &[(&str, i64)]) -> Outcome {
        let what = format!("commit {commit} to be done");
        let waited = eventually(SOON * 2, &what, || async {
            let fail = |error: Box<dyn std::error::Error + Send + Sync>| error.to_string();
            let platform = self.site.the(&at("platforms", "", &self.platform)).await.map_err(fail)?;
            if text(&platform, "/status/source/applied") != commit {
                return Err(platform["status"].to_string());
            }
            for (name, pods) in ready {
                let tenant = self.site.get(&at("tenants", "", &self.tenant(name))).await.map_err(fail)?;
                // Right after a copy was put back, the Platform may say more than is there: each watch of the
                // operator lists anew by itself, and until that of Tenants has, it knows forgotten ones.
                let Some(tenant) = tenant else { return Err(format!("{name} is not there")) };
                let (found, status) = (condition(&tenant, "Ready"), &tenant["status"]);
                let current = found["observedGeneration"] == tenant["metadata"]["generation"];
                if !current || found["status"] != "True" || status["services"][0]["ready"] != *pods {
                    return Err(format!("{name}: {found} {}", status["services"]));
                }
            }
            Ok(())
        });
        Ok(waited.await?)
    }

    async fn pods(&self, name: &str) -> Outcome<BTreeMap<String, i64>> {
        let pods = self.site.pods(&self.tenant(name), "web").await?;
        Ok(pods.iter().map(|pod| (uid(pod).to_owned(), restarts(pod))).collect())
    }

    /// Waits until nothing of a cancelled Tenant runs.
    async fn has_left(&self, name: &str) -> Outcome {
        self.site.gone(&at("deployments", &self.tenant(name), "web")).await?;
        self.site.gone(&at("services", &self.tenant(name), "web")).await
    }
}

/// A copy is taken; then Git adds a Tenant, changes one and cancels one; then the copy is put back. Tenants of
/// the names `name-…` remain.
pub async fn etcd_restored(site: &Site, source: &str) -> Outcome<Line> {
    let source = Source::new(site, source).await?;
    let cluster = &site.bed.cluster;
    let first = [("stays", "Active", 2), ("changes", "Active", 1), ("leaves", "Active", 1)];
    let commit = source.commit(&first, "The first three")?;
    let mut body = platform(&source.platform);
    let git = json!({"url": source.repo.url(), "path": "tenants", "interval": "1s"});
    // Two of three Tenants in one commit: meant.
    body["spec"]["source"] = json!({"git": git, "brake": {"maxPercent": 100}});
    site.apply(&at("platforms", "", &source.platform), "tess", &body).await?;
    source.is_done(&commit, &[("stays", 2), ("changes", 1), ("leaves", 1)]).await?;
    let stay = source.pods("stays").await?;
    let copy = cluster.run().folder("copies")?.join(&source.platform);
    cluster.save_etcd(&copy)?;

    let second = [("added", "Active", 1), ("changes", "Active", 2), ("leaves", "Cancelled", 1)];
    let commit = source.commit(&second, "One comes, one changes, one goes")?;
    source.is_done(&commit, &[("stays", 2), ("changes", 2), ("added", 1)]).await?;
    source.has_left("leaves").await?;
    let before = site.the(&at("namespaces", "", &source.tenant("added"))).await?;

    let known = cluster.audit()?.len();
    cluster.restore_etcd(&copy).await?;
    let begin = Instant::now();
    let platform = site.the(&at("platforms", "", &source.platform)).await?;
    assert!(site.get(&at("namespaces", "", &source.tenant("stays"))).await?.is_some(), "it knows the old");
    source.is_done(&commit, &[("stays", 2), ("changes", 2), ("added", 1)]).await?;
    source.has_left("leaves").await?;
    let recovered = begin.elapsed();

    let after = site.the(&at("namespaces", "", &source.tenant("added"))).await?;
    assert_ne!(uid(&before), uid(&after), "etcd had forgotten it: {}", name(&after));
    assert_eq!(source.pods("stays").await?, stay, "nothing restarts that nobody changed");
    let record = cluster.audit()?;
    let record = writes(&record[known..])?;
    let leaves = format!("/namespaces/{}/", source.tenant("leaves"));
    let others: Vec<&str> =
        deletions(&record).map(|one| one.uri).filter(|uri| !uri.contains(&leaves)).collect();
    assert!(others.is_empty(), "deleted beyond what Git says: {others:?}");
    let no_uid: Vec<String> =
        judge(&record).into_iter().filter(|wrong| wrong.contains("without UID")).collect();
    assert!(no_uid.is_empty(), "{no_uid:#?}");
    let said = format!("at the first look: {}", words(&platform, "SourceSynced"));
    Ok(Line { what: "etcd put back to an older copy", noticed: None, recovered, said })
}

fn words(object: &Value, type_: &str) -> String {
    let found = condition(object, type_);
    format!("{type_}={} {}", text(&found, "/status"), text(&found, "/message"))
}

impl Site {
    /// Takes away what [`etcd_restored`] leaves.
    pub async fn clean_up_source(&self, source: &str) -> Outcome {
        self.merge(&at("platforms", "", source), "tess", &json!({"spec": {"source": null}})).await?;
        let names = ["stays", "changes", "leaves", "added"].map(|name| format!("{source}-{name}"));
        self.clean_up_all(&names.each_ref().map(String::as_str)).await
    }
}

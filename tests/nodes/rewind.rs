//! etcd comes back from an older copy: nothing is deleted, and work goes on.

use serde_json::json;
use tenantry_testbed::eventually;

use crate::{
    site::{SOON, Site, is_ready},
    story::Story,
    support::{
        Outcome, at,
        objects::{name, uid},
    },
};

/// What must not be replaced, with its identity.
async fn children(site: &Site, tenant: &str) -> Outcome<Vec<(String, String)>> {
    let mut found = Vec::new();
    for plural in ["deployments", "services", "networkpolicies", "rolebindings", "serviceaccounts", "pods"] {
        let objects = site.list(&at(plural, tenant, "")).await?;
        found.extend(
            objects.iter().map(|object| (format!("{plural}/{}", name(object)), uid(object).to_owned())),
        );
    }
    found.sort();
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_etcd_deletes_nothing() -> Outcome {
    let Some(site) = Site::with_own_nodes().await? else { return Ok(()) };
    site.tenant("rewound").await?;
    let copy = site.bed.cluster.save_etcd().await?;
    let before = children(&site, "rewound").await?;

    // What comes after the copy: a Tenant, a pod more, and revisions.
    site.tenant("forgotten").await?;
    let path = at("tenants", "", "rewound");
    let pods =
        |count: i32| json!([{"op": "replace", "path": "/spec/services/0/replicas/min", "value": count}]);
    site.patch(&path, "tess", &pods(4)).await?;
    site.until_of(&path, "WorkloadsAvailable", "True", "").await?;

    site.bed.cluster.restore_etcd(&copy).await?;
    let story = Story::begin();
    assert!(site.get(&at("tenants", "", "forgotten")).await?.is_none(), "the copy is older");
    // Work goes on: a change is carried out.
    site.patch(&path, "tess", &pods(5)).await?;
    eventually(SOON * 2, "the change to be carried out", || async {
        let pods = site.pods("rewound", "web").await.map_err(|error| error.to_string())?;
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        if ready == 5 { Ok(()) } else { Err(format!("{ready} of 5 pods are ready")) }
    })
    .await?;
    eprintln!("| etcd from an older copy | - | {:.1} s | |", story.age().as_secs_f32());
    let after = children(&site, "rewound").await?;
    let lost: Vec<_> = before.iter().filter(|child| !after.contains(child)).collect();
    assert!(lost.is_empty(), "gone or replaced: {lost:?}");
    site.clean_up("rewound").await
}

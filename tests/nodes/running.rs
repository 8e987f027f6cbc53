//! Containers really run, in every zone, and reach each other by name.

use std::collections::BTreeSet;

use serde_json::json;
use tenantry_testbed::eventually;

use crate::{
    site::{SOON, Site, is_ready, nodes},
    support::{
        Outcome, at,
        objects::{condition, name, text},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_runs_in_every_zone_and_answers_by_name() -> Outcome {
    let Some(site) = Site::new().await? else { return Ok(()) };
    let tenant = site.tenant("running").await?;
    let ready: Vec<_> = tenant["status"]["services"][0]["zones"].as_array().into_iter().flatten().collect();
    assert!(ready.len() >= 3 && ready.iter().all(|zone| zone["ready"] == 1), "{ready:?}");
    let pods = site.pods("running", "web").await?;
    assert_eq!(pods.iter().filter(|pod| is_ready(pod)).count(), 3, "{pods:?}");
    assert_eq!(nodes(&pods).into_iter().collect::<BTreeSet<_>>().len(), 3, "a node each");
    for pod in &pods {
        assert!(!text(pod, "/status/containerStatuses/0/containerID").is_empty(), "no container in {pod}");
    }

    // Every pod answers behind the Service, whatever node it is on.
    let (names, answered) = (pods.iter().map(name).collect::<BTreeSet<_>>(), std::sync::Mutex::default());
    eventually(SOON, "every pod to answer over the Service", || async {
        let answer =
            site.client("running", &["get", "http://web:8080/"]).await.map_err(|error| error.to_string())?;
        let mut answered = answered.lock().unwrap();
        let answered: &mut BTreeSet<String> = &mut answered;
        answered.insert(answer);
        if answered.iter().map(String::as_str).collect::<BTreeSet<_>>() == names {
            Ok(())
        } else {
            Err(format!("{answered:?} of {names:?}"))
        }
    })
    .await?;

    let service = site.the(&at("services", "running", "web")).await?;
    let found = site.client("running", &["lookup", "web.running.svc.cluster.local"]).await?;
    assert_eq!(found, text(&service, "/spec/clusterIP"));
    let unknown = site.client("running", &["lookup", "nobody.running.svc.cluster.local"]).await;
    assert!(unknown.is_err(), "{unknown:?}");
    site.clean_up("running").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_not_there_is_said() -> Outcome {
    let Some(site) = Site::new().await? else { return Ok(()) };
    site.tenant("imageless").await?;
    let patch = json!([{
        "op": "replace", "path": "/spec/services/0/image", "value": "testbed.example.com/nobody:1",
    }]);
    let path = at("tenants", "", "imageless");
    site.patch(&path, "tess", &patch).await?;
    // The pods that were there stay: the roll-out waits for the first new one.
    let waiting = eventually(SOON, "a pod without its image", || async {
        let pods = site.pods("imageless", "web").await.map_err(|error| error.to_string())?;
        let reason = |pod| text(pod, "/status/containerStatuses/0/state/waiting/reason");
        let reasons: Vec<&str> = pods.iter().map(reason).collect();
        let (ready, stuck) = (
            pods.iter().filter(|pod| is_ready(pod)).count(),
            reasons.iter().any(|reason| matches!(*reason, "ErrImagePull" | "ImagePullBackOff")),
        );
        if ready == 3 && stuck { Ok(()) } else { Err(format!("{ready} ready, {reasons:?}")) }
    });
    waiting.await?;
    site.until_of(&path, "WorkloadsAvailable", "True", "").await?;
    let tenant = site.until_of(&path, "Ready", "False", "ImagePullBackOff").await?;
    let said = text(&condition(&tenant, "Ready"), "/message").to_owned();
    assert!(said.contains("image testbed.example.com/nobody:1 can't be pulled; the old pods stay"), "{said}");
    assert!(said.contains("mend the service's image"), "{said}");
    let trouble = &tenant["status"]["services"][0]["trouble"];
    assert_eq!(trouble["reason"], "ImagePullBackOff");
    site.clean_up("imageless").await
}

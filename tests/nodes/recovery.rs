//! Containers and pods, the API server and etcd's memory end: others take their place, and the status says so
//! meanwhile.

use crate::{
    scenes::{control, copies, pods},
    site::Site,
    support::Outcome,
};

#[tokio::test(flavor = "multi_thread")]
async fn containers_and_pods_that_end_are_replaced() -> Outcome {
    let Some(site) = Site::new().await? else { return Ok(()) };
    site.tenant("recovers").await?;
    eprintln!("{}", pods::container_killed(&site, "recovers").await?);
    eprintln!("{}", pods::pod_killed(&site, "recovers").await?);
    eprintln!("{}", pods::pod_evicted(&site, "recovers").await?);
    site.clean_up("recovers").await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_restarts_when_the_api_server_does() -> Outcome {
    let Some(site) = Site::with_own_nodes().await? else { return Ok(()) };
    site.tenant("serverless").await?;
    eprintln!("{}", control::apiserver_restarted(&site, "serverless").await?);
    site.clean_up("serverless").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_etcd_deletes_nothing_and_git_comes_back() -> Outcome {
    let Some(site) = Site::with_own_nodes().await? else { return Ok(()) };
    eprintln!("{}", copies::etcd_restored(&site, "copy").await?);
    site.clean_up_source("copy").await
}

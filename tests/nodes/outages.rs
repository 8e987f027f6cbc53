//! A node or a whole zone is lost.

use crate::{scenes::places, site::Site, support::Outcome};

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_a_node_whose_kubelet_stops_run_elsewhere() -> Outcome {
    let Some(site) = Site::with_own_nodes().await? else { return Ok(()) };
    site.tenant("kubeletless").await?;
    eprintln!("{}", places::kubelet_stopped(&site, "kubeletless").await?);
    site.clean_up("kubeletless").await
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_a_lost_zone_run_elsewhere() -> Outcome {
    let Some(site) = Site::with_own_nodes().await? else { return Ok(()) };
    site.tenant("zoneless").await?;
    eprintln!("{}", places::zone_gone(&site, "zoneless").await?);
    site.clean_up("zoneless").await
}

//! Whether the network keeps tenants apart, tried by the operator's own pods: nothing on these nodes enforces
//! policies, so the honest answer is no; and where the door is really shut, yes.

use std::{process::Command, time::Duration};

use tenantry_testbed::eventually;

use crate::{
    operator::IMAGE,
    site::{Site, is_ready},
    support::{
        Outcome, at,
        objects::{condition, text},
    },
};

const TENANTS: [&str; 2] = ["probe-tenantry-a", "probe-tenantry-b"];

/// Two turns of the probe, with the time that images and pods take.
const LONG: Duration = Duration::from_secs(180);

async fn says(site: &Site, status: &str, words: &str) -> Outcome {
    let what = format!("Isolated={status} {words}");
    let waited = eventually(LONG, &what, || async {
        for tenant in TENANTS {
            let object = site.the(&at("tenants", "", tenant)).await.map_err(|error| error.to_string())?;
            let found = condition(&object, "Isolated");
            let said = format!("{}: {}", text(&found, "/reason"), text(&found, "/message"));
            if found["status"] != status || !said.contains(words) {
                return Err(format!("{tenant}: {found}"));
            }
        }
        Ok(())
    });
    Ok(waited.await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_finds_an_open_door_open_and_a_shut_one_shut() -> Outcome {
    let Some(site) = Site::with_own_nodes().await? else { return Ok(()) };
    let cluster = &site.bed.cluster;
    let mut program = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    let manifests = program.args(["probe", "manifests", "--image", IMAGE]).output()?;
    cluster.apply_yaml(&String::from_utf8(manifests.stdout)?).await?;

    // Nothing here enforces policies.
    says(&site, "False", "NetworkPolicyNotEnforced: a pod of Tenant probe-tenantry-b answered").await?;
    let pods = site.list(&at("pods", TENANTS[0], "")).await?;
    let knock = pods.iter().find(|pod| text(pod, "/metadata/name") == "tenantry-knock");
    assert!(knock.is_some_and(|pod| text(pod, "/metadata/namespace") == TENANTS[0]), "{pods:?}");

    // As a network plugin would: nobody but its node reaches the other Tenant's pod.
    let doors = site.pods(TENANTS[1], "door").await?;
    let door = doors.iter().find(|pod| is_ready(pod)).ok_or("the other Tenant's pod is ready")?;
    cluster.shut(text(door, "/status/podIP"))?;
    says(&site, "True", "the network shuts one tenant's pods to another's").await?;
    cluster.open()?;
    says(&site, "False", "NetworkPolicyNotEnforced").await?;

    for tenant in TENANTS {
        site.clean_up(tenant).await?;
    }
    Ok(())
}

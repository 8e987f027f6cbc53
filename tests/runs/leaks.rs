//! B15: what of a drill doesn't go is told, and for as long as it is there.

use serde_json::{Value, json};

use crate::bed::Bed;
use crate::restore::backed_up;
use crate::support::{
    Outcome, at,
    objects::{condition, name, text},
};

#[tokio::test(flavor = "multi_thread")]
async fn b15_a_drill_whose_pod_does_not_go_is_told_until_it_goes() -> Outcome {
    let Some(mut bed) = Bed::start().await? else { return Ok(()) };
    bed.tenant("leaky", &["app"]).await?;
    backed_up(&bed, "leaky").await?;
    let drill = bed.drill("leaky", "app").await?;
    // Its node is gone, and nobody there says that it has ended.
    let pod = bed.pod(&drill).await?;
    let path = at("pods", "leaky-drill", &pod);
    let bound = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "gone"},
    });
    bed.kit.post(&format!("{path}/binding"), &bound).await?;
    bed.time_out(&drill).await?;
    let leaving = |pod: &Value| pod["metadata"]["deletionTimestamp"].is_string();
    bed.kit.object(&path, "to be on its way out", leaving).await?;
    bed.age(&drill, "FailureTarget", 11).await?;
    let told = bed.kit.until("leaky", "RestoreVerified", "False", "DrillLeak").await?;
    let told = condition(&told, "RestoreVerified");
    let said = text(&told, "/message");
    assert!(said.contains(&format!("Job leaky-drill/{} had to end long ago", name(&drill))), "{said}");

    // As the message says.
    let of_job = format!("batch.kubernetes.io/job-name={}", name(&drill));
    let words = ["-n", "leaky-drill", "delete", "pods", "--force", "-l", &of_job];
    assert!(said.contains(&format!("kubectl {}", words.join(" "))), "{said}");
    bed.kit.world.kubectl(&words).await?;
    let tenant = at("tenants", "", "leaky");
    let told = bed
        .kit
        .object(&tenant, "nothing left", |now| condition(now, "RestoreVerified")["reason"] != "DrillLeak");
    let told = condition(&told.await?, "RestoreVerified");
    assert!(!text(&told, "/message").contains("leaky-drill/"), "{told}");
    bed.kit.clean_up("leaky").await
}

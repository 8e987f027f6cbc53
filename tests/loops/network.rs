//! What the network policies of a tenant keep closed.

use serde_json::json;

use crate::support::{Kit, Outcome, at, objects::text};

/// Network plugins that judge a packet before its Service is resolved see the Service's address only.
#[tokio::test]
async fn a_tenant_never_reaches_the_service_of_the_api_servers() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    let service = kit.the(&at("services", "default", "kubernetes")).await?;
    let address = text(&service, "/spec/clusterIP").to_owned();
    kit.own_platform("open", &json!({"limits": {"egress": ["10.0.0.0/8"]}})).await?;
    kit.ready_tenant("curious", json!({"egress": [{"name": "private", "cidr": "10.0.0.0/8"}]})).await?;
    let policy = kit.the(&at("networkpolicies", "curious", "tenantry-egress")).await?;
    let except = policy["spec"]["egress"][0]["to"][0]["ipBlock"]["except"].clone();
    assert!(except.as_array().is_some_and(|all| all.contains(&json!(format!("{address}/32")))), "{except}");
    kit.clean_up("curious").await
}

//! What the API server must refuse: tried by dry run, as somebody who may do nothing else.

use serde_json::json;
use tenantry::{
    prove::{
        judge::Trial,
        prober::{Prober, Settings},
        reviews::Pace,
    },
    runtime::{health::Health, metrics::Metrics},
};

use crate::{
    bed::Turn,
    support::{
        Call, Outcome, at,
        objects::{name, refusal},
        world::SYSTEM,
    },
};

const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";

fn prober(kit: &Turn) -> Prober {
    Prober::new(Settings {
        config: kit.world.cluster.config().clone(),
        namespace: SYSTEM.into(),
        metrics: Metrics::new(),
        health: Health::default(),
    })
}

#[tokio::test]
async fn a_guard_that_is_gone_is_said() -> Outcome {
    let Some(kit) = Turn::new().await? else { return Ok(()) };
    kit.ready_tenant("guarded", json!({})).await?;
    kit.proven("guarded").await?;
    for guard in ["tenantry-marks", "tenantry-namespaces"] {
        let path = format!("{BINDINGS}/{guard}");
        let mut binding = kit.the(&path).await?;
        kit.delete(&path).await?;
        kit.until("guarded", "Isolated", "False", "GuardsMissing: whoever may write namespace guarded")
            .await?;
        binding["metadata"] = json!({"name": guard, "labels": binding["metadata"]["labels"], "annotations": binding["metadata"]["annotations"]});
        kit.create(BINDINGS, &binding).await?;
        kit.proven("guarded").await?;
    }
    kit.clean_up("guarded").await
}

/// No ServiceAccount, no trials, no True: and the message says what to apply.
#[tokio::test]
async fn without_somebody_who_tries_nothing_is_proven() -> Outcome {
    let Some(kit) = Turn::new().await? else { return Ok(()) };
    kit.ready_tenant("untried", json!({})).await?;
    kit.proven("untried").await?;
    let mut prober = prober(&kit);
    let (call, mut pace) = (&kit.call.client, Pace::default());
    let tried = prober.tamper(call, "untried", &[], &mut pace).await?;
    assert_eq!(
        (&tried.privileged_pod, &tried.level, &tried.marks),
        (&Trial::Refused, &Trial::Refused, &Trial::Refused)
    );
    // Where nothing refuses it, it would be done; and nothing of it is.
    let plain = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "plain"}});
    kit.create(&at("namespaces", "", ""), &plain).await?;
    kit.object(&at("serviceaccounts", "plain", "default"), "made", |_| true).await?;
    let tried = prober.tamper(call, "plain", &[], &mut pace).await?;
    assert_eq!((&tried.privileged_pod, &tried.level), (&Trial::Done, &Trial::Done));
    assert_eq!(kit.list(&at("pods", "plain", "")).await?.len(), 0, "a dry run leaves nothing");
    let labels = kit.the(&at("namespaces", "", "plain")).await?;
    assert!(labels["metadata"]["labels"].get("pod-security.kubernetes.io/enforce").is_none(), "{labels}");
    kit.delete(&at("namespaces", "", "plain")).await?;

    let account = at("serviceaccounts", SYSTEM, "tenantry-prober");
    kit.delete(&account).await?;
    let words = format!(
        "TrialFailed: whether Pod Security refuses a privileged pod in untried can't be tried: ServiceAccount {SYSTEM}/tenantry-prober"
    );
    // Its token is asked for anew every few minutes; this one is no longer good at once.
    kit.until("untried", "Isolated", "Unknown", "TrialFailed").await?;
    let mut fresh = self::prober(&kit);
    let tried = fresh.tamper(call, "untried", &[], &mut pace).await?;
    assert!(
        matches!(&tried.marks, Trial::Unclear(why) if words.ends_with(&why[..why.find(':').unwrap_or(0)])),
        "{:?}",
        tried.marks
    );
    let again = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": false,
        "metadata": {"name": "tenantry-prober", "labels": {"app.kubernetes.io/name": "tenantry"}},
    });
    kit.create(&at("serviceaccounts", SYSTEM, ""), &again).await?;
    kit.proven("untried").await?;
    kit.clean_up("untried").await
}

/// A stolen token of it can try things, and do none.
#[tokio::test]
async fn who_tries_can_do_nothing_else() -> Outcome {
    let Some(kit) = Turn::new().await? else { return Ok(()) };
    kit.ready_tenant("tempted", json!({})).await?;
    let mut prober = prober(&kit);
    let thief = Call { client: prober.client(&kit.call.client).await? };
    let pod = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {
                "securityContext": {"runAsNonRoot": true, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "a", "image": "registry.k8s.io/pause:3.10",
                    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                }],
            },
        })
    };
    for namespace in ["default", "tempted"] {
        for name in ["mine", "tenantry-knock"] {
            let answer = thief.create(&at("pods", namespace, ""), &pod(name)).await;
            assert!(refusal(answer).contains("tenantry-prober"), "{namespace}/{name}");
        }
    }
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    let answer = thief.merge(&at("namespaces", "", "default"), "thief", &labels).await;
    assert!(refusal(answer).contains("this user tries (dryRun=All)"));
    let running = kit.list(&at("pods", "kube-system", "")).await?;
    for path in [at("secrets", SYSTEM, ""), at("pods", "tempted", ""), at("tenants", "", "")] {
        let answer = thief.list(&path).await;
        assert!(
            answer.is_err_and(|error| error.to_string().contains("forbidden")),
            "{path}: {:?}",
            running.first().map(name)
        );
    }
    kit.clean_up("tempted").await
}

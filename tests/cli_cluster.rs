//! `tenantry status` and `tenantry why` against a real API server, on statuses that the tests write
//! themselves: no operator runs.

use std::{
    io::{Read, Write},
    process::Command,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tenantry::{
    api::{Platform, Tenant},
    cli::crds::definitions,
};
use tenantry_testbed::Cluster;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A shared API server with our definitions.
async fn cluster() -> Result<&'static Cluster, Box<dyn std::error::Error>> {
    let cluster = Cluster::shared_api().await?;
    for (_, definition) in definitions() {
        cluster.apply_yaml(&serde_json::to_string(&definition)?).await?;
    }
    Ok(cluster)
}

/// A namespace of its own for the Lease of an operator, renewed so many seconds ago.
async fn lease(cluster: &Cluster, namespace: &str, seconds: i64) -> Outcome {
    let renewed = Timestamp::now() - SignedDuration::from_secs(seconds);
    let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    cluster.apply_yaml(&space.to_string()).await?;
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "tenantry", "namespace": namespace},
        "spec": {"holderIdentity": "somebody", "renewTime": format!("{renewed:.6}")},
    });
    Ok(cluster.apply_yaml(&lease.to_string()).await?)
}

/// A condition five and a half minutes old, of the first generation.
fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    let time = Timestamp::now() - SignedDuration::from_secs(330);
    json!({
        "type": type_, "status": status, "reason": reason, "message": message,
        "observedGeneration": 1, "lastTransitionTime": time.to_string(),
    })
}

/// A Tenant with a status, and its namespace.
async fn tenant(cluster: &Cluster, name: &str, platform: &str, status: Value) -> Outcome {
    let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    cluster.apply_yaml(&space.to_string()).await?;
    let object = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant",
        "metadata": {"name": name, "annotations": {"tenantry.dev/source": format!("{platform}/tenants/{name}.yaml")}},
        "spec": {"platformRef": {"name": platform}},
    });
    cluster.apply_yaml(&object.to_string()).await?;
    let api: Api<Tenant> = Api::all(cluster.client());
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(json!({"status": status}))).await?;
    Ok(())
}

fn good() -> Value {
    json!({
        "summary": {"services": "1/1", "zones": "3/3", "promises": "2/3", "commit": "1234abcd"},
        "conditions": [
            condition("Isolated", "Unknown", "NotProbed", "not tried"),
            condition("Ready", "True", "Succeeded", "applied, and every service has its pods"),
            condition("WorkloadsAvailable", "True", "Succeeded", "every service has its pods"),
        ],
        "services": [{
            "name": "web", "desired": 3, "ready": 3, "skew": 0,
            "zones": [{"name": "zone-a", "ready": 2}, {"name": "zone-b", "ready": 1}],
        }],
    })
}

fn bad() -> Value {
    json!({
        "summary": {"services": "0/1"},
        "conditions": [condition("Ready", "False", "Progressing", "web has 0 of 3 pods available")],
    })
}

/// Lets a user do something everywhere.
async fn allow(cluster: &Cluster, user: &str, rules: Value) -> Outcome {
    let group = "rbac.authorization.k8s.io";
    let api = format!("{group}/v1");
    let role = json!({"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": user}, "rules": rules});
    let binding = json!({
        "apiVersion": api, "kind": "ClusterRoleBinding", "metadata": {"name": user},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": user},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    });
    cluster.apply_yaml(&role.to_string()).await?;
    Ok(cluster.apply_yaml(&binding.to_string()).await?)
}

/// A server that knows nothing: a cluster without our definitions. Answers so many requests.
fn empty_server(requests: usize) -> std::io::Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"nothing here","reason":"NotFound","code":404}"#;
    std::thread::spawn(move || {
        for stream in listener.incoming().take(requests) {
            let mut stream = stream?;
            // One read is enough for a request without a body.
            let _ = stream.read(&mut [0; 16384])?;
            let head = "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\nconnection: close";
            write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
        }
        std::io::Result::Ok(())
    });
    Ok(url)
}

/// A kubeconfig for a server without TLS.
fn kubeconfig(folder: &tempfile::TempDir, server: &str) -> std::io::Result<std::path::PathBuf> {
    let path = folder.path().join("kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": server}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "users": [{"name": "x", "user": {"token": "canary-token"}}],
    });
    std::fs::write(&path, text.to_string())?;
    Ok(path)
}

/// Runs the program as a user: exit code, stdout, stderr.
fn run_as(kubeconfig: &std::path::Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(args)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .output()
        .expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn run(cluster: &Cluster, args: &[&str]) -> (Option<i32>, String, String) {
    run_as(cluster.kubeconfig(), args)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_tenants_and_one_in_detail() -> Outcome {
    let cluster = cluster().await?;
    lease(cluster, "op-table", 1).await?;
    tenant(cluster, "table-good", "table", good()).await?;
    let all = ["status", "--namespace", "op-table", "--platform", "table"];
    let (code, stdout, stderr) = run(cluster, &all);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let words: Vec<Vec<&str>> = stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        words[0],
        ["NAME", "READY", "LIFECYCLE", "SERVICES", "ZONES", "PROMISES", "COMMIT", "AGE", "MESSAGE"]
    );
    assert_eq!(words[1][..7], ["table-good", "True", "Active", "1/1", "3/3", "2/3", "1234abcd"]);

    tenant(cluster, "table-bad", "table", bad()).await?;
    let (code, stdout, _) = run(cluster, &all);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.lines().nth(1).is_some_and(|line| line.starts_with("table-bad    False")), "{stdout}");

    let (code, stdout, _) = run(cluster, &["status", "table-good", "--namespace", "op-table"]);
    assert_eq!(code, Some(0));
    assert!(
        stdout.starts_with(
            "Tenant table-good: Active, Platform table, namespace table-good, commit 1234abcd\n"
        )
    );
    assert!(stdout.contains("Isolated             Unknown   NotProbed   5m      not tried"), "{stdout}");
    assert!(stdout.contains("web       3/3    zone-a 2, zone-b 1   0"), "{stdout}");

    let (code, stdout, _) =
        run(cluster, &["status", "--output", "json", "--namespace", "op-table", "--platform", "table"]);
    let json: Value = serde_json::from_str(&stdout)?;
    assert_eq!((code, &json["operator"]["running"]), (Some(1), &json!(true)));
    assert_eq!(
        (&json["tenants"][0]["name"], &json["tenants"][0]["ready"]),
        (&json!("table-bad"), &json!("False"))
    );
    assert_eq!(json["tenants"][1]["conditions"][0]["reason"], "NotProbed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_silent_operator_left_behind_is_not_believed() -> Outcome {
    let cluster = cluster().await?;
    lease(cluster, "op-silent", 65).await?;
    tenant(cluster, "silent", "silent", good()).await?;
    for (namespace, why) in [
        ("op-silent", "Lease op-silent/tenantry was renewed"),
        ("op-none", "there is no Lease op-none/tenantry"),
    ] {
        let (code, stdout, stderr) = run(cluster, &["status", "silent", "--namespace", namespace]);
        assert_eq!(code, Some(1), "{stdout}");
        assert!(
            stderr.starts_with("note: the operator is not running: ") && stderr.contains(why),
            "{stderr}"
        );
        let conditions: Vec<&str> = stdout.lines().filter(|line| line.contains("NotCurrent")).collect();
        assert!(conditions.len() == 3 && conditions.iter().all(|line| line.contains("Unknown")), "{stdout}");
        let (code, stdout, _) = run(cluster, &["why", "silent", "--namespace", namespace]);
        assert_eq!(code, Some(1));
        assert!(stdout.contains(why) && stdout.contains("kubectl -n tenantry-system get pods"), "{stdout}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn why_names_pods_and_events() -> Outcome {
    let cluster = cluster().await?;
    lease(cluster, "op-pods", 1).await?;
    tenant(cluster, "pods", "pods", bad()).await?;
    let labels = json!({"tenantry.dev/tenant": "pods", "app.kubernetes.io/name": "web"});
    let container = json!([{"name": "web", "image": "registry.example.com/no-such-image:1"}]);
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "pods", "labels": labels},
        "spec": {
            "replicas": 3, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": container}},
        },
    });
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "pods"}});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-1", "namespace": "pods", "labels": labels}, "spec": {"containers": container},
    });
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": "Failed", "message": "pull access denied",
        "metadata": {"name": "web-1.1", "namespace": "pods"}, "lastTimestamp": Timestamp::now().to_string(),
        "involvedObject": {"kind": "Pod", "name": "web-1", "namespace": "pods"},
    });
    for object in [deployment, account, pod, event] {
        cluster.apply_yaml(&object.to_string()).await?;
    }
    let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}});
    let status = json!({"status": {"phase": "Pending", "containerStatuses": [{
        "name": "web", "image": "x", "imageID": "", "ready": false, "restartCount": 0, "state": waiting,
    }]}});
    let pods: Api<Pod> = Api::namespaced(cluster.client(), "pods");
    pods.patch_status("web-1", &PatchParams::default(), &Patch::Merge(status)).await?;
    let stuck = json!({"status": {"replicas": 1, "conditions": [{
        "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out",
    }]}});
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), "pods");
    deployments.patch_status("web", &PatchParams::default(), &Patch::Merge(stuck)).await?;

    let (code, stdout, stderr) = run(cluster, &["why", "pods", "--namespace", "op-pods"]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""), "{stdout}");
    for words in [
        "Tenant pods: Ready is False (Progressing, for 5m)\n  web has 0 of 3 pods available\n",
        "behind:  Deployment pods/web: 0 of 3 pods available; Progressing is False (ProgressDeadlineExceeded: timed out)\n",
        "behind:  Pod pods/web-1: ImagePullBackOff: container web: Back-off pulling image\n",
        "ago, Pod web-1: Failed: pull access denied\n",
        "next:    mend the service's image",
    ] {
        assert!(stdout.contains(words), "{words:?} is not in\n{stdout}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn why_names_foreign_objects_even_for_those_who_may_read_little() -> Outcome {
    let cluster = cluster().await?;
    lease(cluster, "op-foreign", 1).await?;
    let mut status = good();
    status["conditions"][0] =
        condition("Isolated", "False", "ForeignPolicy", "NetworkPolicy foreign/open: not ours");
    status["inventory"] = json!([{"group": "networking.k8s.io", "kind": "NetworkPolicy", "namespace": "foreign", "name": "deny-all"}]);
    tenant(cluster, "foreign", "foreign", status).await?;
    for name in ["deny-all", "open"] {
        let policy = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": "foreign"}, "spec": {"podSelector": {}},
        });
        cluster.apply_yaml(&policy.to_string()).await?;
    }
    let args = ["why", "foreign", "--namespace", "op-foreign"];
    let (code, stdout, _) = run(cluster, &args);
    assert_eq!(code, Some(1));
    assert!(stdout.contains("behind:  NetworkPolicy foreign/open: not made by Tenantry"), "{stdout}");
    assert!(!stdout.contains("deny-all"), "{stdout}");
    assert!(
        stdout.contains("next:    if nobody needs it: kubectl -n foreign delete networkpolicy open"),
        "{stdout}"
    );

    // Somebody who may read no bindings, and somebody who may read the Tenant only.
    let tenants = json!({"apiGroups": ["tenantry.dev"], "resources": ["tenants"], "verbs": ["get"]});
    let policies =
        json!({"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["list"]});
    let leases = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get"]});
    allow(cluster, "reader", json!([tenants, policies, leases])).await?;
    allow(cluster, "blind", json!([tenants])).await?;
    let (code, stdout, stderr) = run_as(&cluster.kubeconfig_for("reader", &[])?, &args);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stdout.contains("NetworkPolicy foreign/open: not made by Tenantry"), "{stdout}");
    assert!(stdout.contains("can't be read: rolebindings in foreign: forbidden"), "{stdout}");
    let (code, stdout, stderr) = run_as(&cluster.kubeconfig_for("blind", &[])?, &args);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stdout.contains("whether the operator runs is not known"), "{stdout}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn why_names_the_finding_in_the_file() -> Outcome {
    let cluster = cluster().await?;
    lease(cluster, "op-file", 1).await?;
    let mut status = good();
    let behind = condition("SourceSynced", "False", "InvalidFile", "its file has findings");
    status["conditions"].as_array_mut().ok_or("no conditions")?.push(behind);
    tenant(cluster, "file", "file", status).await?;
    let platform = json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform", "metadata": {"name": "file"}, "spec": {}});
    cluster.apply_yaml(&platform.to_string()).await?;
    let finding = |file: &str, message: &str| json!({"file": file, "line": 8, "column": 3, "message": message, "hint": "did you mean `lifecycle`?"});
    let source = json!({"status": {"source": {"findingCount": 3, "findings": [
        finding("tenants/other.yaml", "another one"),
        finding("tenants/file.yaml", "unknown field `lifecylce`"),
        finding("tenants/never-made.yaml", "unknown field `nope`"),
    ]}}});
    let api: Api<Platform> = Api::all(cluster.client());
    api.patch_status("file", &PatchParams::default(), &Patch::Merge(source)).await?;

    let (code, stdout, _) = run(cluster, &["why", "file", "--namespace", "op-file"]);
    assert_eq!(code, Some(1));
    assert!(stdout.contains("promise: configuration is code"), "{stdout}");
    assert!(
        stdout.contains("behind:  tenants/file.yaml:8:3: unknown field `lifecylce`; did you mean"),
        "{stdout}"
    );
    assert!(!stdout.contains("another one"), "{stdout}");
    assert!(stdout.contains("check it with: tenantry validate tenants/file.yaml"), "{stdout}");

    // A file whose Tenant never came to be.
    let (code, stdout, _) = run(cluster, &["why", "never-made", "--namespace", "op-file"]);
    assert_eq!(code, Some(1));
    assert!(stdout.contains("tenants/never-made.yaml:8:3: unknown field `nope`"), "{stdout}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn why_says_so_when_nothing_is_unmet() -> Outcome {
    let cluster = cluster().await?;
    lease(cluster, "op-good", 1).await?;
    tenant(cluster, "good", "good", good()).await?;
    let (code, stdout, _) = run(cluster, &["why", "good", "--namespace", "op-good"]);
    assert_eq!(code, Some(0), "{stdout}");
    assert_eq!(
        stdout,
        "Tenant good: nothing is unmet: applied, and every service has its pods\n  not known: Isolated is Unknown: not tried\n"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_and_what_does_not_answer_are_errors() -> Outcome {
    let cluster = cluster().await?;
    for (args, words) in [
        (["status", "nobody"], "error: there is no Tenant nobody; tenantry why nobody looks for its file"),
        (["why", "nobody"], "error: there is no Tenant nobody; see kubectl get tenants"),
        (["status", "--platform=nobody"], "error: there is no Platform nobody"),
        (["status", "--context=nobody"], "error: cannot use the kubeconfig"),
    ] {
        let (code, stdout, stderr) = run(cluster, &args);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(stderr.starts_with(words), "{args:?}: {stderr}");
    }
    Ok(())
}

#[test]
fn a_cluster_that_does_not_answer_or_knows_nothing_of_us_is_an_error() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (code, _, stderr) = run_as(&kubeconfig(&folder, "http://127.0.0.1:1")?, &["status"]);
    assert_eq!(code, Some(2));
    assert!(stderr.starts_with("error: cannot talk to the API server"), "{stderr}");
    assert!(!stderr.contains("canary-token"), "{stderr}");
    for args in [vec!["status"], vec!["why", "acme"]] {
        let server = empty_server(5)?;
        let (code, _, stderr) = run_as(&kubeconfig(&folder, &server)?, &args);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(
            stderr.contains("apply the definitions: tenantry crds | kubectl apply"),
            "{args:?}: {stderr}"
        );
    }
    Ok(())
}

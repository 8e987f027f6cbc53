//! The audit agents: what the chart gives is what manifests/audit has, with its capitals set.

use serde_json::{Value, json};
use tenantry_testbed::programs;

use crate::{
    all_options, least, read, render,
    render::{documents, find, id},
    support::{Outcome, kit::merge, objects::text},
};

/// Every option of it, each other than its default.
pub(crate) fn options() -> Value {
    let role = |name: &str| format!("arn:aws:iam::222222222222:role/{name}");
    json!({
        "enabled": true, "cluster": "eu", "logFile": "/var/log/apiserver/audit.log", "apiServerPort": 8443,
        "spool": {"hostPath": "/data/audit", "most": "20Gi"},
        "keys": {"hostPath": "/etc/keys", "secret": "audit-keys"},
        "archive": {
            "url": "s3://audit/eu", "region": "eu-central-1", "owner": "222222222222", "role": role("writer"),
            "readerRole": role("reader"), "externalId": "shop", "lockDays": 400, "endpoint": "https://s3.example.com",
            "tokenService": "https://sts.example.com", "pathStyle": true, "credentialsSecret": "writer",
            "readerCredentialsSecret": "reader",
        },
        "records": {"enabled": true, "keySecret": "operator-keys"},
        "nodeSelector": {"node-role.kubernetes.io/control-plane": "", "audit": "yes"},
        "tolerations": [{"operator": "Exists"}],
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "512Mi"}},
    })
}

/// What a cluster has to say at least, as somebody would write it into the manifests.
fn plain() -> Value {
    let role = |name: &str| format!("arn:aws:iam::222222222222:role/tenantry-audit-{name}");
    let mut values = least();
    let archive = json!({
        "url": "s3://audit/eu", "region": "eu-central-1", "owner": "222222222222", "role": role("writer"),
        "readerRole": role("reader"), "externalId": "shop",
    });
    merge(&mut values, &json!({"audit": {"enabled": true, "cluster": "eu", "archive": archive}}));
    values
}

/// The manifest as somebody would fill it in.
fn filled() -> Outcome<Value> {
    let mut text = read("manifests/audit/agent.yaml");
    for (word, value) in [
        ("s3://BUCKET/PREFIX", "s3://audit/eu"),
        ("=CLUSTER", "=eu"),
        ("=REGION", "=eu-central-1"),
        ("ARCHIVE-ACCOUNT", "222222222222"),
        ("=EXTERNAL-ID", "=shop"),
    ] {
        assert!(text.contains(word), "the manifest says {word}");
        text = text.replace(word, value);
    }
    Ok(serde_saphyr::from_str(&text)?)
}

#[test]
fn the_chart_gives_what_the_manifests_say() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let rendered = render(&plain())?;
    let mut expected = filled()?;
    let container = "/spec/template/spec/containers/0";
    let agent = find(&rendered, "DaemonSet tenantry-audit");
    // Which image is a value of the whole chart.
    for field in ["image", "imagePullPolicy"] {
        let own = agent.pointer(container).ok_or("a container")?[field].clone();
        expected.pointer_mut(container).ok_or("a container")?[field] = own;
    }
    assert_eq!(agent, &expected);
    let others = documents("manifests/audit").into_iter();
    let others: Vec<Value> =
        others.filter(|one| !["DaemonSet", "Policy"].contains(&text(one, "/kind"))).collect();
    assert_eq!(others.len(), 6);
    for object in &others {
        let same = rendered.iter().filter(|one| id(one) == id(object) && *one == object).count();
        assert_eq!(same, 1, "{}", id(object));
    }
    let without = render(&least())?;
    assert!(without.iter().all(|one| !id(one).ends_with(" tenantry-audit")));
    Ok(())
}

/// As strict as who reads root's files can be; and in a namespace that takes it.
#[test]
fn the_agent_may_read_roots_files_and_nothing_else() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    for values in [plain(), all_options()] {
        let rendered = render(&values)?;
        let agent = find(&rendered, "DaemonSet tenantry-audit");
        let pod = &agent["spec"]["template"]["spec"];
        let strict = json!({
            "runAsUser": 0, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
        });
        assert_eq!(pod["containers"][0]["securityContext"], strict);
        let writes = pod["containers"][0]["volumeMounts"].as_array().into_iter().flatten();
        let writes: Vec<&str> =
            writes.filter(|one| one["readOnly"] != true).map(|one| text(one, "/name")).collect();
        assert_eq!(writes, ["spool"]);
        let space = find(&rendered, "Namespace tenantry-audit");
        assert_eq!(agent["metadata"]["namespace"], space["metadata"]["name"]);
        assert_eq!(space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "privileged");
    }
    Ok(())
}

#[test]
fn options_of_the_agents_come_where_they_belong() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let rendered = render(&all_options())?;
    let pod = &find(&rendered, "DaemonSet tenantry-audit")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let has = |container: &Value, wanted: &str| {
        container["args"].as_array().is_some_and(|args| args.iter().any(|arg| arg == wanted))
    };
    for wanted in [
        "--file=/var/log/apiserver/audit.log",
        "--apiserver=https://$(NODE_ADDRESS):8443",
        "--most=20Gi",
        "--lock-days=400",
        "--log-key=/etc/tenantry-audit/$(NODE_NAME).key",
        "--credentials=/etc/tenantry-archive/writer",
        "--reader-credentials=/etc/tenantry-archive/reader",
        "--path-style",
    ] {
        assert!(has(container, wanted), "{wanted}: {}", container["args"]);
    }
    let volume = |name: &str| {
        let all = pod["volumes"].as_array().into_iter().flatten();
        all.clone().find(|one| one["name"] == name).cloned().unwrap_or_default()
    };
    assert_eq!(
        volume("keys"),
        json!({"name": "keys", "secret": {"secretName": "audit-keys", "defaultMode": 256}})
    );
    assert_eq!(volume("log")["hostPath"]["path"], "/var/log/apiserver");
    assert_eq!(volume("spool")["hostPath"]["path"], "/data/audit");
    assert_eq!(volume("writer")["secret"]["secretName"], "writer");
    let operator = &find(&rendered, "Deployment tenantry")["spec"]["template"]["spec"];
    let beside =
        operator["containers"].as_array().and_then(|all| all.iter().find(|one| one["name"] == "audit"));
    let beside = beside.ok_or("a container beside the operator")?;
    for wanted in [
        "--agent=operator",
        "--trail=/var/lib/tenantry/trail",
        "--health=/var/lib/tenantry/health",
        "--backups=/var/lib/tenantry/backups",
        "--log-key=/etc/tenantry-audit/operator.key",
        "--archive=s3://audit/eu",
    ] {
        assert!(has(beside, wanted), "{wanted}: {}", beside["args"]);
    }
    Ok(())
}

/// The program itself takes what the chart would start it with.
#[test]
fn the_program_knows_every_flag() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    for values in [plain(), all_options()] {
        let rendered = render(&values)?;
        let pods = ["DaemonSet tenantry-audit", "Deployment tenantry"]
            .map(|one| &find(&rendered, one)["spec"]["template"]["spec"]);
        let containers = pods.into_iter().filter_map(|pod| pod["containers"].as_array()).flatten();
        for container in containers.filter(|one| one["args"][0] == "audit") {
            let args = container["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tenantry"));
            // Nobody can make a spool there.
            let nowhere = |arg: &str| {
                if arg.starts_with("--spool=") { "--spool=/proc/nowhere" } else { arg }.to_owned()
            };
            command.args(args.map(|arg| nowhere(arg).replace("$(NODE_ADDRESS)", "127.0.0.1")));
            let output = command.env("NODE_NAME", "cp-1").output()?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            // All flags are understood; then something isn't there.
            assert!(!said.contains("Usage:") && !said.contains("unexpected argument"), "{said}");
            assert_eq!(output.status.code(), Some(2), "{said}");
        }
    }
    Ok(())
}

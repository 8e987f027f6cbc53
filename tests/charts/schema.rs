//! Values: what is wrong is refused, with its name.

use serde_json::{Value, json};
use tenantry_testbed::programs;

use crate::{all_options, helm, least, read, render, support::Outcome, support::kit::merge, template};

#[test]
fn both_charts_pass_lint() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let home = tempfile::tempdir()?;
    for (chart, values) in [("tenantry-crds", json!({})), ("tenantry", least()), ("tenantry", all_options())]
    {
        let file = home.path().join("values.json");
        std::fs::write(&file, values.to_string())?;
        let args = ["lint", "--strict", &format!("charts/{chart}"), "--values", &file.display().to_string()];
        let said = helm(home.path(), &args)?;
        assert!(said.as_ref().is_ok_and(|text| text.contains("0 chart(s) failed")), "{chart}: {said:?}");
    }
    Ok(())
}

#[test]
fn a_wrong_value_is_named() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let wrong = [
        (json!({"image": null}), "image"),
        (json!({"image": {"repository": null}}), "repository"),
        (json!({"image": {"digest": null}}), "digest"),
        (json!({"image": {"digest": null, "tag": "latest"}}), "digest"),
        (json!({"image": {"tag": "latest"}}), "/image"),
        (json!({"image": {"digest": "sha256:abc"}}), "/image/digest"),
        (json!({"image": {"repository": "Registry.example.com/Tenantry"}}), "/image/repository"),
        (json!({"image": {"repository": "registry.example.com/tenantry; rm -rf"}}), "/image/repository"),
        (json!({"image": {"pullPolicy": "Sometimes"}}), "/image/pullPolicy"),
        (json!({"replicas": 0}), "/replicas"),
        (json!({"replicas": "two"}), "/replicas"),
        (json!({"replica": 3}), "replica"),
        (json!({"topologySpread": {"zone": "Maybe"}}), "/topologySpread/zone"),
        (json!({"topologySpread": {"rack": "DoNotSchedule"}}), "rack"),
        (json!({"nodeSelector": {"disk": true}}), "/nodeSelector/disk"),
        (json!({"tolerations": [{"effect": "Never"}]}), "/tolerations/0/effect"),
        (json!({"affinity": {"zoneAffinity": {}}}), "zoneAffinity"),
        (json!({"resources": {"limits": {"memory": "lots"}}}), "/resources/limits/memory"),
        (json!({"resources": {"limits": {"memory": 64}}}), "/resources/limits/memory"),
        (json!({"log": {"filter": "info --kubeconfig=/x"}}), "/log/filter"),
        (json!({"log": {"format": "xml"}}), "/log/format"),
        (json!({"cache": {"sizeLimit": "-1Gi"}}), "/cache/sizeLimit"),
        (json!({"hooks": {"service": {"port": 0}}}), "/hooks/service/port"),
        (json!({"hooks": {"service": {"type": "ExternalName"}}}), "/hooks/service/type"),
        (json!({"extraCA": {"key": "../token"}}), "/extraCA/key"),
        (json!({"platformSecrets": ["*"]}), "/platformSecrets/0"),
        (json!({"networkPolicy": {"git": {"cidrs": ["everywhere"]}}}), "/networkPolicy/git/cidrs/0"),
        (json!({"networkPolicy": {"apiServer": {"ports": [70000]}}}), "/networkPolicy/apiServer/ports/0"),
        (json!({"networkPolicy": {"metricsFrom": [{}]}}), "/networkPolicy/metricsFrom/0"),
        (json!({"serviceMonitor": {"interval": "often"}}), "/serviceMonitor/interval"),
        (json!({"prometheusRule": {"enabled": "yes"}}), "/prometheusRule/enabled"),
        (json!({"watchdog": {"schedule": "every minute"}}), "/watchdog/schedule"),
        (json!({"watchdog": {"silentFor": 5}}), "/watchdog/silentFor"),
        (json!({"audit": {"enabled": true}}), "/audit/cluster"),
        (json!({"audit": {"logFile": "audit.log"}}), "/audit/logFile"),
        (json!({"audit": {"spool": {"hostPath": "spool"}}}), "/audit/spool/hostPath"),
        (json!({"audit": {"spool": {"most": "much"}}}), "/audit/spool/most"),
        (json!({"audit": {"archive": {"url": "https://bucket"}}}), "/audit/archive/url"),
        (json!({"audit": {"archive": {"role": "writer"}}}), "/audit/archive/role"),
        (json!({"audit": {"archive": {"externalId": "a b"}}}), "/audit/archive/externalId"),
        (json!({"audit": {"archive": {"lockDays": 0}}}), "/audit/archive/lockDays"),
        (json!({"audit": {"archive": {"key": "x"}}}), "key"),
        (json!({"audit": {"records": {"enabled": true}}}), "/audit/records/keySecret"),
    ];
    for (change, name) in wrong {
        let mut values = least();
        set(&mut values, &change);
        let said = template("tenantry", &values)?;
        let said = said.err().unwrap_or_else(|| panic!("{change} is taken"));
        assert!(said.contains(name) && said.contains("schema"), "{change}: {said}");
    }
    let said = template("tenantry-crds", &json!({"keep": false}))?.err().ok_or("keep is no value")?;
    assert!(said.contains("keep"), "{said}");
    Ok(())
}

/// Like a merge, but null stays: Helm takes a value away by it.
fn set(values: &mut Value, change: &Value) {
    match change {
        Value::Object(fields) => fields.iter().for_each(|(key, field)| set(&mut values[key.as_str()], field)),
        other => *values = other.clone(),
    }
}

/// A misspelt value must never be passed over.
#[test]
fn the_schema_is_closed_and_knows_every_default() {
    for chart in ["tenantry", "tenantry-crds"] {
        let schema: Value =
            serde_json::from_str(&read(&format!("charts/{chart}/values.schema.json"))).expect("it is JSON");
        let mut open = Vec::new();
        walk(&schema, "", &mut open);
        open.retain(|path| path != "global" && !path.starts_with("affinity."));
        assert!(open.is_empty(), "{chart}: {open:?}");
    }
    let schema: Value =
        serde_json::from_str(&read("charts/tenantry/values.schema.json")).expect("it is JSON");
    let values: Value = serde_saphyr::from_str(&read("charts/tenantry/values.yaml")).expect("it is YAML");
    let names =
        |value: &Value| value.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
    let mut known: Vec<String> = names(&schema["properties"]);
    known.retain(|name| name != "global");
    let defaults: Vec<String> = names(&values);
    assert_eq!(known, defaults, "values.yaml shows every value");
}

/// Paths of objects and texts without bounds.
fn walk(schema: &Value, at: &str, open: &mut Vec<String>) {
    let closed = schema["additionalProperties"] == false || schema["additionalProperties"].is_object();
    let text = schema["type"] == "string" && schema.get("maxLength").is_none();
    if schema["type"] == "object" && !closed || text {
        open.push(at.to_owned());
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        walk(field, &if at.is_empty() { name.clone() } else { format!("{at}.{name}") }, open);
    }
    for inner in ["items", "additionalProperties"].iter().filter_map(|inner| schema.get(inner)) {
        walk(inner, &format!("{at}[]"), open);
    }
}

#[test]
fn the_namespace_is_fixed_and_the_reason_is_said() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let home = tempfile::tempdir()?;
    let file = home.path().join("values.json");
    std::fs::write(&file, least().to_string())?;
    let args = ["template", "tenantry", "charts/tenantry", "--namespace", "else", "--values"];
    let said = helm(home.path(), &[&args[..], &[&file.display().to_string()]].concat())?;
    let said = said.err().ok_or("another namespace is taken")?;
    assert!(said.contains("install it with --namespace tenantry-system, not else"), "{said}");
    Ok(())
}

/// Every value changes something: none is a promise that nothing keeps.
#[test]
fn every_value_is_used() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let full = render(&all_options())?;
    for (value, off) in [
        ("podDisruptionBudget", json!({"enabled": false})),
        ("networkPolicy", json!({"enabled": false})),
        ("serviceMonitor", json!({"enabled": false})),
        ("prometheusRule", json!({"enabled": false})),
        ("watchdog", json!({"enabled": false})),
        ("isolation", json!({"proofInterval": "2h"})),
        ("isolation", json!({"probeNetwork": false})),
        ("hooks", json!({"enabled": false})),
        ("extraCA", json!({"configMap": ""})),
        ("platformSecrets", json!([])),
        ("imagePullSecrets", json!([])),
        ("tolerations", json!([])),
        ("priorityClassName", json!("")),
        ("cache", json!({"sizeLimit": "1Gi"})),
        ("replicas", json!(1)),
        ("audit", json!({"enabled": false})),
        ("audit", json!({"cluster": "us"})),
        ("audit", json!({"logFile": "/var/log/other/audit.log"})),
        ("audit", json!({"apiServerPort": 443})),
        ("audit", json!({"spool": {"hostPath": "/other"}})),
        ("audit", json!({"spool": {"most": ""}})),
        ("audit", json!({"keys": {"secret": ""}})),
        ("audit", json!({"archive": {"region": "eu-west-1"}})),
        ("audit", json!({"archive": {"lockDays": 30}})),
        ("audit", json!({"archive": {"endpoint": ""}})),
        ("audit", json!({"archive": {"tokenService": ""}})),
        ("audit", json!({"archive": {"pathStyle": false}})),
        ("audit", json!({"archive": {"credentialsSecret": ""}})),
        ("audit", json!({"archive": {"readerCredentialsSecret": ""}})),
        ("audit", json!({"archive": {"externalId": ""}})),
        ("audit", json!({"records": {"enabled": false}})),
        ("audit", json!({"tolerations": []})),
        ("audit", json!({"resources": {"limits": {"memory": "1Gi"}}})),
    ] {
        let mut values = all_options();
        merge(&mut values, &json!({value: off}));
        assert_ne!(render(&values)?, full, "{value}");
    }
    Ok(())
}

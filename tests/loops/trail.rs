//! The change trail: what was applied, by whose commit, verified by the operator's own program.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};
use tenantry::trail::record::digest;
use tenantry_testbed::eventually;

use crate::{
    source::{Source, file},
    support::{Outcome, at, kit::SOON, objects::uid},
};

/// The digest of an object as the API server has it: labels, annotations and spec.
fn digest_of(object: &Value) -> Outcome<String> {
    let metadata: ObjectMeta = serde_json::from_value(object["metadata"].clone())?;
    Ok(digest(&metadata, &object["spec"]))
}

/// Waits for so many records of an object.
pub(crate) async fn history(source: &Source, name: &str, count: usize) -> Outcome<Vec<Value>> {
    let data = source.kit.world.data()?.display().to_string();
    let found = eventually(SOON, "records", || async {
        let ran = source.kit.world.program(&["history", name, "--data-dir", &data, "--output", "json"]);
        let (code, out, err) = ran.map_err(|error| error.to_string())?;
        let whole: Value = serde_json::from_str(&out).map_err(|error| format!("{error}: {err}"))?;
        let records = whole["records"].as_array().cloned().unwrap_or_default();
        if code == Some(0) && whole["verified"] == true && records.len() >= count {
            Ok(records)
        } else {
            Err(format!("exit {code:?}: {out}{err}"))
        }
    });
    Ok(found.await?)
}

#[tokio::test]
async fn a_commit_leaves_a_record_whose_digests_match() -> Outcome {
    let Some(source) = Source::start("trailed", &json!({"platformPath": "platform"})).await? else {
        return Ok(());
    };
    let kit = &source.kit;
    let path = at("tenants", "", "trailed-one");
    let first = source.commit(&[("tenants/one.yaml", Some(&file("trailed-one", "trailed", "1")))]).await?;
    kit.ready("trailed-one").await?;
    let one = kit.the(&path).await?;
    let records = history(&source, "trailed-one", 1).await?;
    let made = &records[0];
    assert_eq!((&made["outcome"], &made["commit"]), (&json!("Created"), &json!(first)));
    assert_eq!((&made["file"], &made["platform"]), (&json!("tenants/one.yaml"), &json!("trailed")));
    assert_eq!(made["object"], json!({"kind": "Tenant", "name": "trailed-one", "uid": uid(&one)}));
    assert_eq!((&made["before"], &made["after"]), (&Value::Null, &json!(digest_of(&one)?)));
    assert_eq!(
        (&made["author"]["name"], &made["author"]["email"]),
        (&json!("Tess Bed"), &json!("tess@example.com"))
    );
    assert_eq!((&made["signer"], &made["approvers"]), (&Value::Null, &json!([])));

    let second = source.commit(&[("tenants/one.yaml", Some(&file("trailed-one", "trailed", "2")))]).await?;
    let records = history(&source, "trailed-one", 2).await?;
    let two = kit.the(&path).await?;
    assert_eq!((&records[1]["outcome"], &records[1]["commit"]), (&json!("Updated"), &json!(second)));
    assert_eq!((&records[1]["before"], &records[1]["after"]), (&made["after"], &json!(digest_of(&two)?)));

    // Somebody's hand: what it left is where the heal begins, and Git's word is back.
    let edit = json!({"spec": {"services": []}});
    let edited = kit.merge(&path, "kubectl-edit", &edit).await?;
    let records = history(&source, "trailed-one", 3).await?;
    assert_eq!(records[2]["outcome"], "Healed");
    assert_eq!(
        (&records[2]["before"], &records[2]["after"]),
        (&json!(digest_of(&edited)?), &records[1]["after"])
    );

    // What the API server refuses is a record, once; and so are the Platform's rules.
    let moved =
        file("trailed-one", "trailed", "2").replace("  platformRef", "  namespace: elsewhere\n  platformRef");
    let rules = "apiVersion: tenantry.dev/v1alpha1\nkind: Platform\nmetadata:\n  name: trailed\nspec:\n  environment: test\n  limits:\n    replicas: 7\n";
    let third =
        source.commit(&[("tenants/one.yaml", Some(&moved)), ("platform/rules.yaml", Some(rules))]).await?;
    let records = history(&source, "trailed-one", 4).await?;
    assert_eq!((&records[3]["outcome"], &records[3]["commit"]), (&json!("Refused"), &json!(third)));
    assert_eq!((&records[3]["before"], &records[3]["after"]), (&records[2]["after"], &Value::Null));
    let platform = history(&source, "trailed", 1).await?;
    assert_eq!(
        (&platform[0]["object"]["kind"], &platform[0]["file"]),
        (&json!("Platform"), &json!("platform/rules.yaml"))
    );
    kit.until("trailed-one", "SourceSynced", "False", "ApplyRefused: ").await?;
    source.commit(&[("tenants/one.yaml", Some(&file("trailed-one", "trailed", "3")))]).await?;
    let records = history(&source, "trailed-one", 5).await?;
    assert_eq!(records[4]["outcome"], "Updated", "a refusal that comes again is not written down again");
    source.clean_up(&["trailed-one"]).await
}

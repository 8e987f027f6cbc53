//! Installed, upgraded, taken away and installed again by the real Helm: the operator lives on the chart's rights
//! alone, and nothing of a tenant's changes on the way.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tenantry::api::marks;
use tenantry_testbed::{Cluster, Operator, OperatorOptions, eventually};

use crate::{
    alerts, cluster, least,
    support::{
        Call, Outcome, at,
        helm::helm_on,
        kit::{SOON, merge, service},
        objects::{condition, text, uid},
        world::{SYSTEM, platform},
    },
};

/// One installation.
struct Site {
    cluster: &'static Cluster,
    call: Call,
    home: PathBuf,
}

impl Site {
    async fn helm(&self, args: &[&str], values: Option<&Value>) -> Outcome<String> {
        helm_on(self.cluster, &self.home, args, values).await
    }

    async fn install(&self, values: &Value) -> Outcome<String> {
        self.helm(&["install", "tenantry-crds", "charts/tenantry-crds"], None).await?;
        self.helm(&["install", "tenantry", "charts/tenantry"], Some(values)).await
    }

    /// A kubeconfig with nothing but a token of this ServiceAccount, as its Pod gets one.
    async fn token(&self, account: &str) -> Outcome<PathBuf> {
        let path = at("serviceaccounts", SYSTEM, &format!("{account}/token"));
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}});
        let answer = self.call.post(&path, &request).await?;
        let mut config: Value = serde_saphyr::from_str(&std::fs::read_to_string(self.cluster.kubeconfig())?)?;
        config["users"][0]["user"] = json!({"token": text(&answer, "/status/token")});
        let file = self.home.join(format!("{account}.kubeconfig"));
        std::fs::write(&file, config.to_string())?;
        Ok(file)
    }

    /// The arguments of a Pod's container behind its subcommand, as the cluster has them.
    async fn args(&self, path: &str, pod: &str) -> Outcome<Vec<String>> {
        let object = self.call.the(path).await?;
        let args = object.pointer(&format!("{pod}/spec/containers/0/args")).and_then(Value::as_array);
        let args = args.into_iter().flatten().filter_map(Value::as_str);
        Ok(args.skip(1).map(str::to_owned).collect())
    }

    /// The operator with the chart's arguments and the ServiceAccount's token.
    async fn operator(&self, data: &str) -> Outcome<Operator> {
        let options = OperatorOptions {
            binary: env!("CARGO_BIN_EXE_tenantry").into(),
            kubeconfig: self.token("tenantry").await?,
            data_dir: self.cluster.run().folder(data)?,
            args: self.args(&at("deployments", SYSTEM, "tenantry"), "/spec/template").await?,
            env: vec![("POD_NAMESPACE".into(), SYSTEM.into()), ("POD_NAME".into(), "tenantry-0".into())],
        };
        let operator = Operator::start(self.cluster.run(), &options)?;
        operator.ready(Duration::from_secs(60)).await?;
        Ok(operator)
    }

    /// Waits until the Tenant's Ready is as it should be.
    async fn ready(&self) -> Outcome {
        let waited = eventually(SOON * 2, "the Tenant to be Ready", || async {
            let tenant =
                self.call.the(&at("tenants", "", "acme")).await.map_err(|error| error.to_string())?;
            let ready = condition(&tenant, "Ready");
            if ready["status"] == "True" { Ok(()) } else { Err(ready.to_string()) }
        });
        Ok(waited.await?)
    }

    /// What must outlive everything: who each object is, and which version of it is there.
    async fn tenants_things(&self) -> Outcome<BTreeMap<String, String>> {
        let children = self.call.children("acme").await?;
        let mut things: BTreeMap<String, String> =
            children.into_iter().map(|(child, (uid, version))| (child, format!("{uid} {version}"))).collect();
        let whole = [
            at("namespaces", "", "acme"),
            at("tenants", "", "acme"),
            at("platforms", "", "base"),
            at("customresourcedefinitions", "", "tenants.tenantry.dev"),
            at("customresourcedefinitions", "", "platforms.tenantry.dev"),
        ];
        for path in whole {
            let object = self.call.the(&path).await?;
            things.insert(path, format!("{} {}", uid(&object), object["spec"]));
        }
        Ok(things)
    }

    /// Waits until nothing of a tenant's has changed for two seconds; what there is.
    async fn settled(&self) -> Outcome<BTreeMap<String, String>> {
        let mut last = self.tenants_things().await?;
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let now = self.tenants_things().await?;
            if now == last {
                return Ok(now);
            }
            last = now;
        }
    }
}

fn values() -> Value {
    let mut values = least();
    merge(&mut values, &json!({"log": {"filter": "tenantry=debug"}}));
    values
}

#[tokio::test]
async fn installed_upgraded_taken_away_and_installed_again() -> Outcome {
    let Some(cluster) = cluster().await? else { return Ok(()) };
    let home = tempfile::tempdir()?;
    let call = Call { client: cluster.client() };
    let site = Site { cluster, call, home: home.path().to_path_buf() };
    let said = site.install(&values()).await?;
    assert!(
        said.contains("2 replicas, one of which works") && !said.contains("doesn't have its definitions"),
        "{said}"
    );
    spread_over_zones(&site).await?;
    let operator = site.operator("charts").await?;
    site.call.apply(&at("platforms", "", "base"), "tess", &platform("base")).await?;
    let member = json!({"kind": "User", "name": "eddie@example.com", "role": "Editor"});
    let tenant = json!({
        "apiVersion": marks::API_VERSION, "kind": "Tenant", "metadata": {"name": "acme"},
        "spec": {"platformRef": {"name": "base"}, "members": [member], "services": [service("web")]},
    });
    site.call.apply(&at("tenants", "", "acme"), "tess", &tenant).await?;
    site.ready().await?;
    let things = site.settled().await?;
    assert!(things.len() > 12, "{things:#?}");
    exports_what_alerts_ask(&operator).await?;
    watched(&site).await?;

    let mut changed = values();
    merge(
        &mut changed,
        &json!({"replicas": 3, "hooks": {"enabled": true}, "resources": {"limits": {"memory": "300Mi"}}}),
    );
    site.helm(&["upgrade", "tenantry-crds", "charts/tenantry-crds"], None).await?;
    site.helm(&["upgrade", "tenantry", "charts/tenantry"], Some(&changed)).await?;
    assert_eq!(site.call.the(&at("deployments", SYSTEM, "tenantry")).await?["spec"]["replicas"], 3);
    site.call.the(&at("services", SYSTEM, "tenantry-hooks")).await?;
    assert_eq!(site.settled().await?, things, "an upgrade of the chart touches nothing of a tenant's");
    assert!(operator.stop().is_some());

    let said = site.helm(&["uninstall", "tenantry"], None).await?;
    assert!(said.contains("kept"), "{said}");
    site.helm(&["uninstall", "tenantry-crds"], None).await?;
    gone_and_guarded(&site, &things).await?;

    site.install(&values()).await?;
    let operator = site.operator("charts").await?;
    site.ready().await?;
    assert_eq!(site.settled().await?, things, "it goes on where it was");
    let applied: Vec<String> = operator
        .metrics()
        .await?
        .lines()
        .filter(|line| line.starts_with("tenantry_api_calls_total") && line.contains("verb=\"apply\""))
        .map(str::to_owned)
        .collect();
    assert!(applied.is_empty(), "nothing had to be applied: {applied:?}");
    assert!(operator.stop().is_some());
    Ok(())
}

/// The real scheduler puts the replicas into two zones. The Pods are taken in a namespace of the level `restricted`.
async fn spread_over_zones(site: &Site) -> Outcome {
    let mine = format!("{}?labelSelector=app.kubernetes.io/component=operator", at("pods", SYSTEM, ""));
    let zones = eventually(SOON * 2, "two replicas on nodes", || async {
        let pods = site.call.list(&mine).await.map_err(|error| error.to_string())?;
        let nodes: Vec<&str> =
            pods.iter().map(|pod| text(pod, "/spec/nodeName")).filter(|node| !node.is_empty()).collect();
        if nodes.len() != 2 {
            return Err(format!("{nodes:?}"));
        }
        let mut zones = Vec::new();
        for node in nodes {
            let node = site.call.the(&at("nodes", "", node)).await.map_err(|error| error.to_string())?;
            zones.push(text(&node, "/metadata/labels/topology.kubernetes.io~1zone").to_owned());
        }
        Ok(zones)
    });
    let zones = zones.await?;
    assert_ne!(zones[0], zones[1]);
    Ok(())
}

/// An alert on a metric that nobody exports never fires.
async fn exports_what_alerts_ask(operator: &Operator) -> Outcome {
    let page = operator.metrics().await?;
    for metric in alerts::asked() {
        let there = page
            .lines()
            .any(|line| line.strip_prefix(&metric).is_some_and(|rest| rest.starts_with(['{', ' '])));
        assert!(there, "{metric} is not in\n{page}");
    }
    for promise in tenantry::api::promises::TABLE.iter().filter(|promise| promise.condition.is_some()) {
        let series = format!("tenantry_promises{{promise=\"{}\",status=\"false\"}}", promise.id);
        assert!(page.contains(&series), "{series} is not in\n{page}");
    }
    Ok(())
}

/// The watchdog's CronJob, run by hand: with its arguments and its token.
async fn watched(site: &Site) -> Outcome {
    let args =
        site.args(&at("cronjobs", SYSTEM, "tenantry-watchdog"), "/spec/jobTemplate/spec/template").await?;
    let kubeconfig = site.token("tenantry-watchdog").await?;
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tenantry"));
    command.arg("watchdog").args(args).arg("--kubeconfig").arg(kubeconfig);
    let output = command.output().await?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.starts_with("an operator renews Lease"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// The operator is gone; tenants, what they lean on, and what guards them are not.
async fn gone_and_guarded(site: &Site, things: &BTreeMap<String, String>) -> Outcome {
    let gone = [
        at("deployments", SYSTEM, "tenantry"),
        at("serviceaccounts", SYSTEM, "tenantry"),
        at("cronjobs", SYSTEM, "tenantry-watchdog"),
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/tenantry".to_owned(),
    ];
    for path in gone {
        eventually(SOON, &format!("{path} to be gone"), || async {
            let found = site.call.get(&path).await.map_err(|error| error.to_string())?;
            found.map_or(Ok(()), |_| Err("it is there".to_owned()))
        })
        .await?;
    }
    assert_eq!(site.settled().await?, *things, "nothing of a tenant's went, or changed");
    for role in [marks::ROLE_VIEWER, marks::ROLE_EDITOR] {
        site.call.the(&format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{role}")).await?;
    }
    for path in [
        at("tenants", "", "acme"),
        at("namespaces", "", "acme"),
        at("namespaces", "", SYSTEM),
        at("customresourcedefinitions", "", "tenants.tenantry.dev"),
    ] {
        let said = crate::support::objects::refusal(site.call.delete(&path).await);
        assert!(said.contains("tenantry.dev/allow-delete"), "{path}: {said}");
    }
    Ok(())
}

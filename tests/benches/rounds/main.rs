//! `cargo bench --bench rounds`: what backups of many Tenants cost an operator that has nothing to do: CPU and calls. The
//! Tenants are only observed and the store isn't there, so that nothing but the rounds is left.
//!
//! ```text
//! cargo bench --bench rounds                                # 1,000 Tenants, a minute
//! cargo bench --bench rounds -- 1000 --operator OTHER       # another build, with definitions of its own
//! ```

#[path = "../converge/calls.rs"]
#[allow(dead_code, reason = "a part of it is needed")]
mod calls;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tenantry::api::Tenant;
use tenantry_testbed::{
    Cluster, OPERATOR_USER, Operator, OperatorOptions, Options, eventually, operator_groups,
};

/// Half a figure is none.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const PLATFORM: &str = "bench";

/// Measures an operator whose Tenants have backups and nothing to do.
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench rounds --")]
struct Args {
    /// Tenants, with a database each
    #[arg(default_value_t = 1000)]
    tenants: usize,
    /// How long it is watched
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Another build of the operator, to hold against this one
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_tenantry"))]
    operator: PathBuf,
    /// What cargo adds by itself
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Outcome {
    let args = Args::parse();
    let cluster = Cluster::start(Options::default()).await?;
    let definitions = std::process::Command::new(&args.operator).arg("crds").output()?;
    cluster.apply_yaml(&String::from_utf8(definitions.stdout)?).await?;
    cluster.apply_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/install")).await?;
    println!("| Platform | CPU | calls | resident |");
    println!("|---|--:|--:|--:|");
    for backups in [false, true] {
        cluster.apply_yaml(&platform(backups).to_string()).await?;
        let numbers = stream::iter(0..args.tenants);
        let made = numbers.map(|number| make(&cluster, number, backups));
        made.buffer_unordered(16).try_collect::<()>().await?;
        let operator = start(&cluster, &args.operator)?;
        operator.ready(Duration::from_secs(120)).await?;
        settled(&cluster, &args, backups).await?;
        // The statuses' own echoes.
        tokio::time::sleep(Duration::from_secs(15)).await;
        let before = calls::Sample::take(&operator).await?;
        tokio::time::sleep(Duration::from_secs(args.seconds)).await;
        let used = calls::Sample::take(&operator).await?.since(&before);
        let (memory, _) = calls::memory_mib(operator.id());
        println!(
            "| {} | {:.1} ms/s | {} | {memory:.0} MiB |",
            if backups { "with backups" } else { "without" },
            used.cpu() * 1000.0 / args.seconds as f64,
            used.json()["calls"]
        );
        tokio::task::block_in_place(|| operator.stop()).ok_or("the operator did not end on SIGTERM")?;
    }
    Ok(())
}

fn start(cluster: &Cluster, binary: &Path) -> Outcome<Operator> {
    let options = OperatorOptions {
        binary: binary.to_owned(),
        kubeconfig: cluster.kubeconfig_for(OPERATOR_USER, operator_groups())?,
        data_dir: cluster.run().folder("operator")?,
        // What proves isolation has a budget of its own.
        args: ["--proof-interval", "0s"].map(str::to_owned).into(),
        env: Vec::new(),
    };
    Ok(Operator::start(cluster.run(), &options)?)
}

fn platform(backups: bool) -> Value {
    let mut spec = json!({"environment": "production", "limits": {"egress": ["0.0.0.0/0"]}});
    if backups {
        spec["backups"] = json!({
            "store": {"endpoint": "https://127.0.0.1:9", "region": "eu-1", "bucket": "bench", "credentials": {"name": "none"}},
            "key": {"secret": {"name": "none"}}, "postgresql": {"image": "postgres:17"},
        });
    }
    json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform", "metadata": {"name": PLATFORM}, "spec": spec})
}

async fn make(cluster: &Cluster, number: usize, backups: bool) -> Outcome {
    let name = format!("t-{number:05}");
    let databases = json!([{
        "name": "app", "connectionSecretRef": {"name": "db"}, "server": {"cidr": "203.0.113.7/32"},
    }]);
    let body = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name},
        "spec": {
            "platformRef": {"name": PLATFORM}, "mode": "Observe",
            "databases": if backups { databases } else { json!([]) },
        },
    });
    let api: Api<Tenant> = Api::all(cluster.client());
    api.patch(&name, &PatchParams::apply("bench").force(), &Patch::Apply(body)).await?;
    Ok(())
}

/// Every Tenant has a status that speaks of its spec, and of backups where there are any.
async fn settled(cluster: &Cluster, args: &Args, backups: bool) -> Outcome {
    let api: Api<Tenant> = Api::all(cluster.client());
    let told = |tenant: &Tenant| {
        let status = tenant.status.clone().unwrap_or_default();
        let said = status.conditions.iter().any(|one| one.type_ == "BackupsCurrent");
        status.observed_generation == tenant.metadata.generation && said == backups
    };
    eventually(Duration::from_secs(600), "every Tenant to be told of", || async {
        let all = api.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let done = all.items.iter().filter(|tenant| told(tenant)).count();
        if done == args.tenants { Ok(()) } else { Err(format!("{done} of {}", args.tenants)) }
    })
    .await?;
    Ok(())
}

//! A database that is backed up, and its restore point tried, by Jobs on the real nodes.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_testbed::{Cluster, Error, Result, Vault, eventually, operator_image};

/// The image of the Jobs, as the nodes know it.
pub(crate) const TOOLS: &str = "testbed.example.com/tenantry:1";

const TENANT: &str = "archive";
/// A run and a drill, with the time that images and pods take.
const LONG: Duration = Duration::from_secs(300);

/// Gives the nodes the image of the Jobs.
pub(crate) async fn prepare(cluster: &Cluster, binary: &Path) -> Result<()> {
    let archive = cluster.run().folder("images")?.join("tenantry.tar");
    let (binary, out) = (binary.to_owned(), archive.clone());
    let packed = tokio::task::spawn_blocking(move || operator_image(TOOLS, &binary, &out).map(drop));
    packed.await.map_err(|error| Error::Invalid(error.to_string()))??;
    cluster.import_image(&archive)
}

/// Shows it, from an empty database to a drill that passed. The store goes with what is returned.
pub(crate) async fn show(cluster: &Cluster, say: impl Fn(&str)) -> Result<Vault> {
    say("a store with Object Lock, and PostgreSQL in a pod of Tenant archive");
    let vault = Vault::start(cluster, "vaulted").await?;
    for (name, values) in vault.secrets() {
        secret(cluster, "tenantry-system", name, &values).await?;
    }
    cluster.apply_yaml(&vault.platform().to_string()).await?;
    cluster.apply_yaml(&vault.tenant(TENANT, false).to_string()).await?;
    let password = format!("{:x}", std::process::id());
    let connection = Vault::connection(&password);
    eventually(LONG, "the tenant's namespace", || async {
        secret(cluster, TENANT, "db", &connection).await.map_err(|error| error.to_string())
    })
    .await?;
    let url = format!("postgresql://app:{password}@127.0.0.1/postgres");
    let words = ["exec", "deployment/db", "--", "psql", "-XAtq", &url, "-c", Vault::FILL];
    eventually(LONG, "the database to take rows", || kubectl(cluster, &words)).await?;
    say("1,000 orders are in its database; it is listed in spec.databases now");
    cluster.apply_yaml(&vault.tenant(TENANT, true).to_string()).await?;
    let app = eventually(LONG, "a backup, and a drill that passed", || drilled(cluster)).await?;
    say(&format!(
        "backed up, {} bytes; the drill passed {} checks in an engine of its own",
        app["bytes"],
        text(&app["lastDrill"]["checks"])
    ));
    println!("\nTENANT   DATABASE  NEWEST BACKUP                RPO   RTO   CHECKS");
    let drill = &app["lastDrill"];
    println!(
        "{TENANT}  app       {:<27}  {:<4}  {:<4}  {}",
        text(&app["newest"]),
        format!("{}s", drill["rpoSeconds"]),
        format!("{}s", drill["rtoSeconds"]),
        text(&drill["checks"])
    );
    println!(
        "\nThe store is a program on this machine: its lock holds against the tenant and the operator, not against\n\
         whoever owns the disk. Try: tenantry restore {TENANT} --database app --to app_then"
    );
    Ok(vault)
}

/// The database's status once its restore point was tried; else how far it is.
async fn drilled(cluster: &Cluster) -> std::result::Result<Value, String> {
    let path = format!("/apis/tenantry.dev/v1alpha1/tenants/{TENANT}");
    let request = http::Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
    let tenant: Value = cluster.client().request(request).await.map_err(|error| error.to_string())?;
    let app = tenant["status"]["backups"][0].clone();
    match app["lastDrill"]["result"].as_str() {
        Some("Succeeded") => Ok(app),
        _ => Err(format!("{}: {}", app["lastRun"], app["lastDrill"])),
    }
}

async fn secret(cluster: &Cluster, namespace: &str, name: &str, values: &Value) -> Result<()> {
    let body = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "stringData": values,
    });
    cluster.apply_yaml(&body.to_string()).await
}

async fn kubectl(cluster: &Cluster, words: &[&str]) -> std::result::Result<(), String> {
    let mut command = tokio::process::Command::new(cluster.kubectl());
    command.arg("--kubeconfig").arg(cluster.kubeconfig()).args(["-n", TENANT]).args(words).kill_on_drop(true);
    let output = command.output().await.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

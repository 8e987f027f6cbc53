//! Plans against a real API server and the real operator: held against what is there by dry runs, and held to what
//! the operator then writes.

#![allow(missing_docs, reason = "the names of tests are their documentation")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../properties/generate.rs"]
#[allow(dead_code, reason = "this binary needs Tenants and Platforms only")]
mod generate;
mod observed;
mod pairs;
mod planner;
#[allow(dead_code, reason = "this test uses a part of it")]
#[path = "../source/repo.rs"]
mod repo;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;

use serde_json::Value;
use tenantry_testbed::{Proxy, eventually, programs};

use repo::Repo;
use support::{Call, Kit, Outcome, World, at, kit::SOON};

/// Who may try, and do nothing.
const PLANNER: &str = "system:serviceaccount:tenantry-system:tenantry-planner";
const GROUPS: [&str; 2] = ["system:serviceaccounts", "system:serviceaccounts:tenantry-system"];

/// What a run of `tenantry plan` left behind.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Outcome<Value> {
        Ok(serde_json::from_str(&self.stdout).map_err(|error| format!("{error}: {}", self.stderr))?)
    }
}

/// Runs `tenantry plan`; the files are in the folders of every test here.
fn plan(world: &World, repo: &Repo, range: &str, more: &[&str]) -> Outcome<Ran> {
    let folder = repo.path.display().to_string();
    let args = ["plan", range, "--repo", &folder, "--path", "tenants", "--platform-path", "platforms"];
    let (code, stdout, stderr) = world.program(&[&args[..], more].concat())?;
    Ok(Ran { code, stdout, stderr })
}

/// The same, held against the cluster by whoever the kubeconfig names.
fn plan_there(world: &World, repo: &Repo, range: &str, kubeconfig: &Path, more: &[&str]) -> Outcome<Ran> {
    let kubeconfig = kubeconfig.display().to_string();
    plan(world, repo, range, &[&["--cluster", "--kubeconfig", &kubeconfig], more].concat())
}

/// The planner: its rights, and a proxy that sees what it asks.
async fn planner(kit: &Kit) -> Outcome<Proxy> {
    let world = kit.world;
    world.cluster.apply_path(programs::repository_root().join("manifests/ci/planner.yaml")).await?;
    // Policies are known to the API server a moment after they are written.
    let planner = as_planner(world);
    let probe =
        serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "planner-probe"}});
    eventually(SOON, "the planner's policy", || async {
        let tried = planner.apply(&at("configmaps", "default", "planner-probe"), "tess", &probe).await;
        match tried {
            Err(kube::Error::Api(status)) if status.message.contains("'tenantry-planner'") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    Ok(Proxy::apiserver(&world.cluster, PLANNER, &GROUPS)?)
}

fn as_planner(world: &World) -> Call {
    world.call_as(PLANNER, &GROUPS)
}

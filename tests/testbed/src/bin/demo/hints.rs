//! Four things to try, with the exact commands.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams};
use tenantry_testbed::{Cluster, Repo};

use crate::samples::Samples;

const ZONE: &str = "topology.kubernetes.io/zone";

/// The text below the table.
pub(crate) async fn text(cluster: &Cluster, repo: &Repo, samples: &Samples, end: &str) -> String {
    let kubectl = kubectl(cluster);
    let parts = [
        format!("  export KUBECONFIG={}", cluster.kubeconfig().display()),
        format!("  {kubectl} get tenants -o wide\n"),
        "Four things to try in another terminal; what changes is shown below.\n".into(),
        edit_child(cluster, &kubectl).await,
        push_commit(repo, samples),
        too_much(samples, &kubectl),
        drain_zone(cluster, &kubectl).await,
        format!("Ctrl-C ends the demo and removes everything{end}."),
    ];
    parts.join("\n")
}

/// What only real nodes can show.
pub(crate) fn real_nodes(cluster: &Cluster) -> String {
    let kubectl = kubectl(cluster);
    format!(
        "Containers really run, in three zones; one asks another by its name:\n\
         \x20    {kubectl} get pods -A -o wide\n\
         \x20    {kubectl} -n acme exec deployment/worker -- /web get http://web:8080/\n"
    )
}

/// `kubectl` if there is one, else ours.
fn kubectl(cluster: &Cluster) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).any(|folder| folder.join("kubectl").is_file());
    if installed { "kubectl".into() } else { cluster.kubectl().display().to_string() }
}

async fn edit_child(cluster: &Cluster, kubectl: &str) -> String {
    let deployments: Api<Deployment> = Api::all(cluster.client());
    let ours = ListParams::default().labels("tenantry.dev/tenant").limit(1);
    let first = deployments.list(&ours).await.ok().and_then(|list| list.items.into_iter().next());
    let (namespace, name) = first.map_or(("NAMESPACE".into(), "NAME".into()), |deployment| {
        (deployment.metadata.namespace.unwrap_or_default(), deployment.metadata.name.unwrap_or_default())
    });
    format!(
        "1. Touch what belongs to a tenant: it is healed.\n\
         \x20    {kubectl} -n {namespace} set image deployment/{name} '*=registry.example.com/evil:1'\n\
         \x20    {kubectl} -n {namespace} delete networkpolicies --all\n\
         \x20    {kubectl} -n {namespace} get deployments,networkpolicies -o wide\n"
    )
}

fn push_commit(repo: &Repo, samples: &Samples) -> String {
    let edit = match &samples.editable {
        Some((file, min, is_max)) => {
            let raise =
                |field: &str| format!(" -e '1,/{field}: {min}/s/{field}: {min}/{field}: {}/'", min + 1);
            let max = if *is_max { raise("max") } else { String::new() };
            format!("sed -i.old{}{max} {file}", raise("min"))
        }
        None => "edit a file in tenants/".into(),
    };
    format!(
        "2. Push a commit: it is applied.\n\
         \x20    git clone {} /tmp/tenantry-config && cd /tmp/tenantry-config\n\
         \x20    {edit}\n\
         \x20    git commit -am 'One more replica' && git push\n",
        repo.url()
    )
}

/// A commit that the brake holds, in the clone of the step before.
fn too_much(samples: &Samples, kubectl: &str) -> String {
    let (platform, files) = (samples.platform_name(), samples.files.join(" "));
    let rules = samples.root.join("manifests/samples/platform.yaml");
    format!(
        "3. Push a commit that stops too much at once: it is held, and says why. (TENANTRY is the program.)\n\
         \x20    sed -i.old 's/^spec:/spec:\\n  lifecycle: Suspended/' {files}\n\
         \x20    git commit -am 'Good night' && git push\n\
         \x20    TENANTRY plan HEAD~1..HEAD --path tenants --platform {}\n\
         \x20    {kubectl} get platform {platform} -o jsonpath='{{.status.conditions[?(@.type==\"SourceSynced\")].message}}'\n\
         \x20  Both say the line that lets it pass: {kubectl} annotate --overwrite platform {platform} …\n",
        rules.display()
    )
}

async fn drain_zone(cluster: &Cluster, kubectl: &str) -> String {
    let nodes: Api<Node> = Api::all(cluster.client());
    let list = nodes.list_metadata(&ListParams::default().labels(ZONE)).await.ok();
    let zone = list
        .and_then(|list| list.items.into_iter().filter_map(|node| node.metadata.labels?.remove(ZONE)).min())
        .unwrap_or_else(|| "ZONE".into());
    format!(
        "4. Lose a zone: the tenants move, and say which zone is short.\n\
         \x20    {kubectl} drain -l {ZONE}={zone} --ignore-daemonsets --delete-emptydir-data --force\n\
         \x20    {kubectl} uncordon -l {ZONE}={zone}\n"
    )
}

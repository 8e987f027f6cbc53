//! `tenantry plan --cluster`: the plan, held against a cluster by dry runs.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    error::Error,
    sync::Arc,
};

use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};

use super::super::cluster::{ClusterArgs, Connection, runtime};
use crate::{
    api::{Platform, Tenant, marks::API_VERSION},
    apply::{customers::Origin, dry::DryRun},
    controller::pause,
    desired::meta::short_hash,
    observe::standing::{self, Cluster},
    plan::{
        Change, Planned, Revision,
        cluster::{self, Asked, ClusterPlan, Refusal, Ruled, TenantThere},
    },
    runtime::call::CallError,
    validate::{
        manifest::{self, Manifest, Manifests, Schemas},
        offline::Review,
    },
};

/// Whether a cluster is asked, and how.
#[derive(Debug, clap::Args)]
pub struct LiveArgs {
    /// Hold the plan against a cluster by dry runs; nothing is written
    #[arg(long)]
    pub cluster: bool,
    /// As whom to ask it, such as system:serviceaccount:tenantry-system:tenantry-planner; whom the kubeconfig names when
    /// absent
    #[arg(long = "as", value_name = "USER", requires = "cluster")]
    pub user: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)] // clap would print it as help
    pub target: ClusterArgs,
}

/// The Tenants of HEAD, as their files say.
pub(super) type Customers = BTreeMap<String, Arc<Manifest>>;

/// Guards that hold everybody but the operator, and who may only try what it does: of anybody else they refuse
/// what says nothing about the change.
const OWN_GUARDS: [&str; 3] = ["tenantry-marks", "tenantry-namespaces", "tenantry-pods"];

impl LiveArgs {
    /// Asks the cluster, if it is to be asked.
    pub(super) fn ask(
        &self,
        planned: &Planned,
        manifests: &Customers,
        head: &str,
    ) -> Result<Option<ClusterPlan>, Box<dyn Error>> {
        let ClusterArgs { kubeconfig, context, .. } = &self.target;
        if self.cluster {
            return runtime()?.block_on(self.plan(planned, manifests, head)).map(Some);
        }
        if kubeconfig.is_some() || context.is_some() {
            return Err(
                "a plan asks no cluster without --cluster; add it, or leave out --kubeconfig and --context"
                    .into(),
            );
        }
        Ok(None)
    }

    /// Platforms that Tenants name and no file has, as the cluster has them.
    pub(super) fn platforms(
        &self,
        revisions: [&Revision; 2],
        schemas: &Schemas,
    ) -> Result<Vec<Manifests>, Box<dyn Error>> {
        let files = || revisions.iter().flat_map(|revision| &revision.files);
        let known: BTreeSet<&str> =
            files().flat_map(|file| &file.platforms).map(|one| one.name.as_str()).collect();
        let named = |tenant: &Arc<Manifest>| {
            let name = tenant.given.value().pointer("/spec/platformRef/name")?.as_str()?.to_owned();
            (!known.contains(name.as_str())).then_some(name)
        };
        let missing: BTreeSet<String> = files().flat_map(|file| &file.tenants).filter_map(named).collect();
        if !self.cluster || missing.is_empty() {
            return Ok(Vec::new());
        }
        runtime()?.block_on(async {
            let client = self.target.connect_as(self.user.as_deref()).await?.client;
            let mut found = Vec::new();
            for name in missing {
                let Some(live) = standing::platform(&client, &name).await? else { continue };
                let text = json!({
                    "apiVersion": API_VERSION, "kind": "Platform", "metadata": {"name": name}, "spec": live.spec,
                });
                let place = format!("Platform {name} of the cluster");
                found.push(manifest::read(&place, text.to_string().as_bytes(), schemas));
            }
            Ok(found)
        })
    }

    async fn plan(
        &self,
        planned: &Planned,
        manifests: &Customers,
        head: &str,
    ) -> Result<ClusterPlan, Box<dyn Error>> {
        let Connection { client, now, .. } = self.target.connect_as(self.user.as_deref()).await?;
        let cluster = standing::cluster(&client, &self.target.namespace).await?;
        let dry = DryRun::new(client.clone());
        let asker = Asker { client, dry, cluster, now, manifests, head };
        let mut plan = ClusterPlan { tried_as: self.user.clone(), ..ClusterPlan::default() };
        let mut platforms: BTreeMap<String, Option<Platform>> = BTreeMap::new();
        for name in touched(planned) {
            let Some(after) = ruled(&planned.head, name) else { continue };
            let platform = &after.1.rules.name;
            let live = match platforms.entry(platform.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let live = standing::platform(&asker.client, platform).await?;
                    let base = planned.base.platforms.get(platform);
                    plan.notes.extend(base.and_then(|base| cluster::platform_note(base, live.as_ref())));
                    let source = live.as_ref().and_then(|live| live.spec.source.as_ref());
                    plan.brakes.extend(source.map(|source| (platform.clone(), source.brake.clone())));
                    place.insert(live)
                }
            };
            plan.tenants.push(asker.tenant(ruled(&planned.base, name), after, live.as_ref()).await?);
        }
        Ok(plan)
    }
}

/// The Tenants for which HEAD has something to do.
fn touched(planned: &Planned) -> impl Iterator<Item = &str> {
    let is_touched = |change| matches!(change, Change::Added | Change::Changed | Change::Mended);
    planned.plan.tenants.iter().filter(move |one| is_touched(one.change)).map(|one| one.name.as_str())
}

fn ruled<'a>(review: &'a Review, name: &str) -> Option<Ruled<'a>> {
    let sound = review.sound.iter().find(|one| one.tenant.name == name)?;
    Some((&sound.tenant, review.platforms.get(&sound.platform)?))
}

/// Who asks the cluster about each Tenant.
struct Asker<'a> {
    client: Client,
    dry: DryRun,
    cluster: Cluster,
    /// The API server's own time.
    now: Timestamp,
    manifests: &'a Customers,
    head: &'a str,
}

impl Asker<'_> {
    async fn tenant(
        &self,
        base: Option<Ruled<'_>>,
        head: Ruled<'_>,
        platform: Option<&Platform>,
    ) -> Result<TenantThere, Box<dyn Error>> {
        let (name, namespace) = (&head.0.name, &head.0.namespace);
        let (tenant, inputs) = standing::tenant(&self.client, name, namespace, &self.cluster).await?;
        let paused = self.paused(tenant.as_ref(), platform);
        let asked = Asked {
            base,
            head,
            tenant: tenant.as_ref(),
            platform,
            inputs: &inputs,
            paused: paused.as_deref(),
        };
        let refused = self.customer(head).await?;
        let mut there = match cluster::wanted(&asked) {
            Ok(wanted) => {
                let live = standing::objects(&self.client, wanted.ids()).await?;
                let trials = wanted.trials(live);
                let answers = self.dry.apply_all(trials.sends()).await;
                trials.told(&answers.into_iter().map(answer).collect::<Result<Vec<_>, _>>()?)
            }
            Err(there) => there,
        };
        if let Some(message) = refused {
            there.refused.insert(0, Refusal { object: format!("Tenant {name}"), message });
        }
        Ok(there)
    }

    /// Until when somebody has stopped the operator.
    fn paused(&self, tenant: Option<&Tenant>, platform: Option<&Platform>) -> Option<String> {
        let metas = tenant.map(|one| &one.metadata).into_iter().chain(platform.map(|one| &one.metadata));
        metas.into_iter().find_map(|meta| pause::until(meta, self.now)).map(|(until, _)| until)
    }

    /// What the API server has against the Tenant itself.
    async fn customer(&self, (tenant, ruler): Ruled<'_>) -> Result<Option<String>, Box<dyn Error>> {
        let Some(manifest) = self.manifests.get(&tenant.name) else { return Ok(None) };
        let origin = Origin {
            source: format!("{}/{}", ruler.rules.name, manifest.file),
            commit: self.head.to_owned(),
            committed_at: String::new(),
            blob: short_hash(manifest.given.text().as_bytes(), 24),
            platform: ruler.rules.name.clone(),
        };
        let given = manifest.given.value();
        let part = |key: &str| given.get(key).cloned().unwrap_or_default();
        let tried = self.dry.tenant(&tenant.name, &part("metadata"), &part("spec"), &origin).await;
        Ok(answer(tried)?.err())
    }
}

/// What the API server has against an object is an answer; that it doesn't answer is none.
fn answer(tried: Result<Value, CallError>) -> Result<Result<Value, String>, Box<dyn Error>> {
    let error = match tried {
        Ok(object) => return Ok(Ok(object)),
        Err(error) => error,
    };
    let message = error.to_string();
    if OWN_GUARDS.iter().any(|guard| message.contains(&format!("ValidatingAdmissionPolicy '{guard}'"))) {
        return Err(format!(
            "the guards let only the operator write this, and only its planner try it: plan as the one that manifests/ci/planner.yaml makes, by its own kubeconfig or with --as; the API server says: {message}"
        )
        .into());
    }
    match error {
        CallError::Invalid(_)
        | CallError::Forbidden(_)
        | CallError::Conflict(_)
        | CallError::AlreadyExists(_)
        | CallError::NotFound(_)
        | CallError::Terminating(_) => Ok(Err(message)),
        error => Err(error.into()),
    }
}

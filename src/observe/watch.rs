//! The streams: one a kind, metadata only where that is enough, each event a change of the world.

use core::net::IpAddr;
use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
};

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::{
    core::v1::{PersistentVolumeClaim, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, PartialObjectMeta},
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use serde::de::DeserializeOwned;
use tokio::{sync::watch as signal, task::JoinSet};
use tracing::{info, warn};

use crate::{
    api::{Platform, Tenant, kinds::Kind, marks},
    desired::pull_secret,
    runtime::{
        backoff::{Backoff, Waits},
        health::{Health, WatchBeat},
    },
};

use super::{
    inputs::lock,
    slim::{SlimDeployment, SlimNode, SlimPod, SlimStatefulSet},
    world::{Signal, World},
};

pub use crate::runtime::call::READ_DEADLINE;

/// Seconds after which the API server ends a watch. Below the 240 s at which common load balancers
/// drop idle flows without a word; a silent stream is noticed 5 s after it.
pub const WATCH_SECONDS: u32 = 200;

/// The Service of the API servers, among its slices: no slice has such a name.
const API_SERVICE: &str = "service/kubernetes";

/// Objects in one answer to a list. All kinds are listed at once, and a page is decoded whole before the
/// slim parts of it are kept: kube's 500 made the highest mark of memory.
pub const LIST_PAGE: u32 = 100;

/// Takes the signals; called with the world unlocked.
pub type Sink = Arc<dyn Fn(Signal) + Send + Sync>;

/// Which watches have shown everything that there is.
#[derive(Clone, Debug)]
pub struct Synced {
    receiver: signal::Receiver<usize>,
    all: usize,
}

impl Synced {
    /// Waits until every watch has.
    pub async fn wait(&mut self) {
        let all = self.all;
        // The sender lives as long as the watches; without them nothing is ever synced.
        if self.receiver.wait_for(|count| *count >= all).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The watches under way.
#[allow(missing_debug_implementations)]
pub struct Watches {
    tasks: JoinSet<()>,
    world: Arc<Mutex<World>>,
    client: Client,
    count: Arc<signal::Sender<usize>>,
    health: Health,
    started: usize,
}

impl Watches {
    /// Starts every watch; signals go into `sink`. They end when this is dropped.
    pub fn start(client: &Client, world: &Arc<Mutex<World>>, sink: &Sink, health: &Health) -> (Self, Synced) {
        let (count, receiver) = signal::channel(0);
        let mut watches = Self {
            tasks: JoinSet::new(),
            world: Arc::clone(world),
            client: client.clone(),
            count: Arc::new(count),
            health: health.clone(),
            started: 0,
        };
        watches.customers(sink);
        watches.workloads(sink);
        watches.places(sink);
        watches.claims(sink);
        watches.api_servers(sink);
        for kind in Kind::ALL {
            if !kind.has_pods() {
                watches.children(kind, sink);
            }
        }
        let all = watches.started;
        (watches, Synced { receiver, all })
    }

    fn spawn<K>(
        &mut self,
        name: &'static str,
        api: Api<K>,
        config: watcher::Config,
        sink: &Sink,
        handle: impl Fn(&mut World, Event<K>) -> Vec<Signal> + Send + 'static,
    ) where
        K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        self.started += 1;
        let world = Arc::clone(&self.world);
        let count = Arc::clone(&self.count);
        let sink = Arc::clone(sink);
        let beat = self.health.watch(name);
        let mut first = true;
        self.tasks.spawn(follow(name, beat, api, config, move |event| {
            let done = matches!(event, Event::InitDone);
            let signals = handle(&mut lock(&world), event);
            signals.into_iter().for_each(|signal| sink(signal));
            if done && std::mem::take(&mut first) {
                info!(watch = name, "synced");
                count.send_modify(|count| *count += 1);
            }
        }));
    }

    /// Tenants and Platforms, whole: they are our own.
    fn customers(&mut self, sink: &Sink) {
        let client = self.client.clone();
        self.spawn(
            "tenants",
            Api::<Tenant>::all(client.clone()),
            config(),
            sink,
            |world, event| match event {
                Event::Init => {
                    world.tenants_listing();
                    Vec::new()
                }
                Event::InitApply(tenant) | Event::Apply(tenant) => world.tenant_seen(Arc::new(tenant)),
                Event::InitDone => world.tenants_listed(),
                Event::Delete(tenant) => world.tenant_gone(tenant.meta().name.as_deref().unwrap_or_default()),
            },
        );
        self.spawn("platforms", Api::<Platform>::all(client), config(), sink, |world, event| match event {
            Event::Init => {
                world.platforms_listing();
                Vec::new()
            }
            Event::InitApply(platform) | Event::Apply(platform) => world.platform_seen(Arc::new(platform)),
            Event::InitDone => world.platforms_listed(),
            Event::Delete(platform) => {
                world.platform_gone(platform.meta().name.as_deref().unwrap_or_default())
            }
        });
    }

    /// What makes pods, slim.
    fn workloads(&mut self, sink: &Sink) {
        let client = self.client.clone();
        self.spawn(
            "deployments",
            Api::<SlimDeployment>::all(client.clone()),
            ours(),
            sink,
            |world, event| match event {
                Event::Init => {
                    world.children_listing(Kind::Deployment);
                    Vec::new()
                }
                Event::InitApply(one) | Event::Apply(one) => {
                    world.workload_seen(Kind::Deployment, &one.metadata, one.spec.replicas, &one.status)
                }
                Event::InitDone => world.workloads_listed(Kind::Deployment),
                Event::Delete(one) => world.workload_gone(Kind::Deployment, &one.metadata),
            },
        );
        self.spawn("statefulsets", Api::<SlimStatefulSet>::all(client), ours(), sink, |world, event| {
            match event {
                Event::Init => {
                    world.children_listing(Kind::StatefulSet);
                    Vec::new()
                }
                Event::InitApply(one) | Event::Apply(one) => {
                    world.workload_seen(Kind::StatefulSet, &one.metadata, one.spec.replicas, &one.status)
                }
                Event::InitDone => world.workloads_listed(Kind::StatefulSet),
                Event::Delete(one) => world.workload_gone(Kind::StatefulSet, &one.metadata),
            }
        });
    }

    /// Pods and nodes, slim.
    fn places(&mut self, sink: &Sink) {
        let client = self.client.clone();
        let pods = config().labels(marks::TENANT);
        self.spawn("pods", Api::<SlimPod>::all(client.clone()), pods, sink, |world, event| match event {
            Event::Init => {
                world.pods_listing();
                Vec::new()
            }
            Event::InitApply(pod) | Event::Apply(pod) => world.pod_seen(&pod),
            Event::InitDone => world.pods_listed(),
            Event::Delete(pod) => world.pod_gone(&pod),
        });
        self.spawn(
            "nodes",
            Api::<SlimNode>::all(client.clone()),
            config(),
            sink,
            |world, event| match event {
                Event::Init => {
                    world.nodes_listing();
                    Vec::new()
                }
                Event::InitApply(node) | Event::Apply(node) => world.node_seen(&node),
                Event::InitDone => world.nodes_listed(),
                Event::Delete(node) => world.node_gone(&node),
            },
        );
    }

    /// Every claim, metadata only, of which the name is kept: what holds data and isn't ours is known by nothing else.
    fn claims(&mut self, sink: &Sink) {
        let api: Api<PartialObjectMeta<PersistentVolumeClaim>> = Api::all(self.client.clone());
        let of = |object: &PartialObjectMeta<PersistentVolumeClaim>| {
            let meta = &object.metadata;
            (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
        };
        self.spawn("persistentvolumeclaims", api, config(), sink, move |world, event| match event {
            Event::Init => {
                world.claims_listing();
                Vec::new()
            }
            Event::InitApply(claim) | Event::Apply(claim) => {
                let (namespace, name) = of(&claim);
                world.claim_seen(&namespace, &name)
            }
            Event::InitDone => world.claims_listed(),
            Event::Delete(claim) => {
                let (namespace, name) = of(&claim);
                world.claim_gone(&namespace, &name)
            }
        });
    }

    /// Where API servers answer: behind the Service `default/kubernetes`, and at its own addresses.
    fn api_servers(&mut self, sink: &Sink) {
        let slices = config().labels("kubernetes.io/service-name=kubernetes");
        let api = Api::<EndpointSlice>::namespaced(self.client.clone(), "default");
        self.spawn("endpointslices", api, slices, sink, |world, event| match event {
            Event::InitApply(slice) | Event::Apply(slice) => {
                let name = slice.metadata.name.unwrap_or_default();
                let addresses = slice.endpoints.into_iter().flat_map(|endpoint| endpoint.addresses);
                world.api_servers_seen(&name, api_addresses(addresses))
            }
            Event::Delete(slice) => world.api_servers_gone(slice.meta().name.as_deref().unwrap_or_default()),
            Event::Init | Event::InitDone => Vec::new(),
        });
        let service = config().fields("metadata.name=kubernetes");
        let api = Api::<Service>::namespaced(self.client.clone(), "default");
        self.spawn("service kubernetes", api, service, sink, |world, event| match event {
            Event::InitApply(service) | Event::Apply(service) => {
                let addresses = service.spec.and_then(|spec| spec.cluster_ips).unwrap_or_default();
                world.api_servers_seen(API_SERVICE, api_addresses(addresses))
            }
            Event::Delete(_) => world.api_servers_gone(API_SERVICE),
            Event::Init | Event::InitDone => Vec::new(),
        });
    }

    /// A kind of child, metadata only. NetworkPolicies and RoleBindings of others count too, so those
    /// are watched without a selector; the rest of the cluster's are dropped as they come in.
    fn children(&mut self, kind: Kind, sink: &Sink) {
        let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(self.client.clone(), &resource(kind));
        let config = match kind {
            Kind::NetworkPolicy | Kind::RoleBinding => config(),
            Kind::Secret => config().fields(&format!("metadata.name={}", pull_secret::NAME)),
            _ => ours(),
        };
        self.spawn(kind.info().plural, api, config, sink, child_handler(kind));
    }
}

fn child_handler(
    kind: Kind,
) -> impl Fn(&mut World, Event<PartialObjectMeta<DynamicObject>>) -> Vec<Signal> + Send {
    move |world, event| match event {
        Event::Init => {
            world.children_listing(kind);
            Vec::new()
        }
        Event::InitApply(object) | Event::Apply(object) => world.child_seen(kind, &object.metadata),
        Event::InitDone => world.children_listed(kind),
        Event::Delete(object) => world.child_gone(kind, &object.metadata),
    }
}

/// The addresses among these texts.
pub(super) fn api_addresses(addresses: impl IntoIterator<Item = String>) -> Vec<IpAddr> {
    addresses.into_iter().filter_map(|address| address.parse().ok()).collect()
}

/// Follows a kind for ever; what fails is tried again.
pub(super) async fn follow<K>(
    name: &'static str,
    beat: WatchBeat,
    api: Api<K>,
    config: watcher::Config,
    mut handle: impl FnMut(Event<K>) + Send,
) where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let stream = watcher(api, config).backoff(Waits::from(Backoff::WATCH));
    pin_mut!(stream);
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => {
                beat.beat();
                let done = matches!(event, Event::InitDone);
                handle(event);
                if done {
                    beat.synced();
                }
            }
            Err(error) => {
                let error = crate::runtime::call::report(&error);
                warn!(watch = name, error, "watch failed, trying again");
            }
        }
    }
}

pub(super) fn config() -> watcher::Config {
    watcher::Config::default().timeout(WATCH_SECONDS).page_size(LIST_PAGE)
}

fn ours() -> watcher::Config {
    config().labels(&format!("{}={}", marks::MANAGED_BY, marks::MANAGED_BY_VALUE))
}

/// A kind as kube's dynamic API names it.
#[must_use]
pub fn resource(kind: Kind) -> ApiResource {
    let info = kind.info();
    ApiResource {
        group: info.group.to_owned(),
        version: info.version.to_owned(),
        api_version: kind.api_version(),
        kind: info.kind.to_owned(),
        plural: info.plural.to_owned(),
    }
}

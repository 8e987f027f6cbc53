//! A proxy that stands between the operator and the real servers and lets things go
//! wrong: answers, speed, connections. It also counts what is asked.

mod faults;
mod forward;
mod kinds;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::certs::write_kubeconfig;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::git::GitServer;
pub use faults::{Fault, FaultId, Matcher};
use forward::Forward;
pub use kinds::RequestKind;

/// A running proxy; dropped, it closes all connections.
pub struct Proxy {
    forward: Arc<Forward>,
    port: u16,
    kubeconfig: Option<PathBuf>,
    runtime: Option<Runtime>,
}

impl Proxy {
    /// A proxy in front of a cluster's API server. Whoever comes through it with
    /// [`Proxy::kubeconfig`] is `user` in `groups`.
    ///
    /// # Errors
    /// The cluster is not ours, or no port is free.
    pub fn apiserver(cluster: &Cluster, user: &str, groups: &[&str]) -> Result<Self> {
        let (authority, url) = cluster.authority()?;
        let server = authority.server()?;
        let forward = Forward::tls(&url, authority, &server, &authority.client(user, groups)?)?;
        let mut proxy = Self::start(forward)?;
        let path = cluster.run().folder("users")?.join(format!("proxy-{}.kubeconfig", proxy.port));
        write_kubeconfig(&path, &format!("https://{}", proxy.address()), &authority.path("ca.crt"), None)?;
        proxy.kubeconfig = Some(path);
        Ok(proxy)
    }

    /// A proxy in front of a Git server; see [`Proxy::url`].
    ///
    /// # Errors
    /// No port is free.
    pub fn git(server: &GitServer) -> Result<Self> {
        Self::start(Forward::plain(&format!("http://{}", server.address()))?)
    }

    /// A proxy in front of anything that speaks plain HTTP; see [`Proxy::url`].
    ///
    /// # Errors
    /// No port is free, or `url` isn't one.
    pub fn to(url: &str) -> Result<Self> {
        Self::start(Forward::plain(url)?)
    }

    /// A proxy in front of any server that speaks plain HTTP, such as a store.
    ///
    /// # Errors
    /// No port is free.
    pub fn http(url: &str) -> Result<Self> {
        Self::start(Forward::plain(url)?)
    }

    fn start(forward: Forward) -> Result<Self> {
        let failed = |error: std::io::Error| Error::Invalid(format!("can't start a proxy: {error}"));
        // A runtime of its own: it outlives the one of the test that made it.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("testbed-proxy")
            .enable_all()
            .build()
            .map_err(failed)?;
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let forward = Arc::new(forward);
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).map_err(failed)?
        };
        runtime.spawn(forward::serve(listener, Arc::clone(&forward)));
        Ok(Self { forward, port, kubeconfig: None, runtime: Some(runtime) })
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The same URL, through this proxy.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let path =
            url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        format!("http://{}/{path}", self.address())
    }

    /// The kubeconfig that leads through this proxy.
    ///
    /// # Errors
    /// This proxy does not stand before an API server.
    pub fn kubeconfig(&self) -> Result<&Path> {
        let none = || Error::Invalid("this proxy does not stand before an API server".into());
        self.kubeconfig.as_deref().ok_or_else(none)
    }

    /// From now on all matching requests go wrong like this. Of several faults that
    /// match, the one set last counts.
    pub fn fail(&self, matcher: Matcher, fault: Fault) -> FaultId {
        self.forward.faults.add(matcher, fault, None)
    }

    /// The next `count` matching requests go wrong like this.
    pub fn fail_next(&self, count: u64, matcher: Matcher, fault: Fault) -> FaultId {
        self.forward.faults.add(matcher, fault, Some(count.max(1)))
    }

    /// How many requests a fault has hit.
    #[must_use]
    pub fn hits(&self, fault: FaultId) -> u64 {
        self.forward.faults.hits(fault)
    }

    /// Takes a fault back.
    pub fn heal(&self, fault: FaultId) {
        self.forward.faults.remove(fault);
    }

    /// Takes all faults back, and answers again after [`Proxy::refuse`].
    pub fn heal_all(&self) {
        self.forward.faults.clear();
        self.refuse(false);
    }

    /// Cuts all connections, watches too, and (with `true`) closes every new one at once.
    pub fn refuse(&self, refuse: bool) {
        self.forward.refuse(refuse);
    }

    /// Cuts all open connections; new ones are welcome.
    pub fn cut(&self) {
        self.forward.cut();
    }

    /// How often what has been asked, since the start or [`Proxy::forget_requests`].
    #[must_use]
    pub fn requests(&self) -> BTreeMap<RequestKind, u64> {
        self.forward.faults.requests()
    }

    /// What has been asked that reads nothing, in order: `PATCH /api/v1/namespaces/acme?fieldManager=…`.
    #[must_use]
    pub fn writes(&self) -> Vec<String> {
        self.forward.faults.writes()
    }

    /// How many requests had one of these verbs.
    #[must_use]
    pub fn count(&self, verbs: &[&str]) -> u64 {
        let requests = self.requests();
        requests.iter().filter(|(kind, _)| verbs.contains(&kind.verb.as_str())).map(|(_, count)| count).sum()
    }

    /// Counts from zero again.
    pub fn forget_requests(&self) {
        self.forward.faults.forget_requests();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.forward.refuse(true);
        if let Some(runtime) = self.runtime.take() {
            // Not shutdown_timeout: proxies are dropped inside async tests.
            runtime.shutdown_background();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

//! One node: its namespaces, and the programs in them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::images::{self, Image};
use super::kubelet::{self, Facts};
use super::network;
use super::space::Space;
use super::{cgroups, containerd};
use crate::certs::Authority;
use crate::error::{Error, Result};
use crate::process::Process;
use crate::registry::Run;

/// A node; dropped, it is gone with everything that runs on it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) facts: Facts,
    folder: PathBuf,
    running: Mutex<Option<Running>>,
}

/// What a node that is switched on consists of.
#[derive(Debug)]
struct Running {
    kubelet: Option<Process>,
    _proxy: Process,
    containerd: Process,
    space: Space,
}

/// What all nodes are made from.
pub(crate) struct Parts<'a> {
    pub(crate) run: &'a Arc<Run>,
    pub(crate) switch: &'a Space,
    /// How many nodes there are.
    pub(crate) count: u8,
    /// Kubernetes with the programs of nodes.
    pub(crate) program: &'a Path,
    pub(crate) plugins: &'a Path,
    pub(crate) images: &'a [Image],
}

impl Node {
    /// Writes everything that the node reads; it is switched off.
    pub(crate) fn new(parts: &Parts<'_>, facts: Facts, authority: &Authority, url: &str) -> Result<Self> {
        let folder = parts.run.folder(&format!("nodes/{}", facts.name))?;
        let network = format!("{}-{}", facts.place.name(), facts.name);
        containerd::configure(&folder, &network, &facts.place.pods(facts.number), parts.plugins)?;
        kubelet::configure(&folder, &facts, authority, url)?;
        Ok(Self { facts, folder, running: Mutex::new(None) })
    }

    /// Switches it on: its programs run, and say later that it is Ready. Nothing if it is on.
    pub(crate) fn start(&self, parts: &Parts<'_>) -> Result<()> {
        let mut running = self.running();
        if running.is_some() {
            return Ok(());
        }
        let (run, facts, folder) = (parts.run, &self.facts, self.folder.as_path());
        let space = Space::node(run, &format!("node-{}", facts.name), folder)?;
        network::connect(facts.place, parts.switch, &space, facts.number, parts.count)?;
        cgroups::create(&facts.cgroup())?;
        let containerd = containerd::start(run, &space, &facts.name, folder)?;
        images::load(&space, parts.images)?;
        let proxy = kubelet::start_proxy(run, &space, parts.program, folder, facts)?;
        let kubelet = Some(kubelet::start(run, &space, parts.program, folder, facts)?);
        *running = Some(Running { kubelet, _proxy: proxy, containerd, space });
        Ok(())
    }

    /// Power off, without a word to anyone.
    pub(crate) fn crash(&self) {
        // The namespaces first: nothing in them gets the time to react to the end of something else.
        if let Some(running) = self.running().take() {
            drop(running.space);
        }
    }

    /// Only the kubelet dies; containers run on.
    pub(crate) fn stop_kubelet(&self) {
        if let Some(running) = self.running().as_mut() {
            running.kubelet = None;
        }
    }

    /// The kubelet again.
    pub(crate) fn start_kubelet(&self, parts: &Parts<'_>) -> Result<()> {
        match self.running().as_mut() {
            Some(Running { kubelet: Some(_), .. }) => Ok(()),
            Some(running) => {
                let (folder, facts) = (&self.folder, &self.facts);
                let kubelet = kubelet::start(parts.run, &running.space, parts.program, folder, facts)?;
                running.kubelet = Some(kubelet);
                Ok(())
            }
            None => Err(Error::Invalid(format!("node {} is off; switch it on instead", self.facts.name))),
        }
    }

    /// Starts a program on it that runs on.
    pub(crate) fn process(&self, run: &Arc<Run>, name: &str, words: &[&str]) -> Result<Process> {
        match self.running().as_ref() {
            Some(running) => running.space.process(run, name, words),
            None => Err(Error::Invalid(format!("node {} is off; switch it on first", self.facts.name))),
        }
    }

    /// Gives it the image of an archive.
    pub(crate) fn import(&self, archive: &Path) -> Result<()> {
        self.running().as_ref().map_or(Ok(()), |running| images::import(&running.space, archive))
    }

    /// Sends a signal to the first process of a container; `false` if the node is off.
    pub(crate) fn signal(&self, container: &str, signal: &str) -> Result<bool> {
        let running = self.running();
        let Some(running) = running.as_ref() else { return Ok(false) };
        let words = ["ctr", "--namespace=k8s.io", "tasks", "kill", "--signal", signal, container];
        running.space.call(&words, "").map(|_| true)
    }

    /// Gives its packet filter rules.
    pub(crate) fn filter(&self, rules: &str) -> Result<()> {
        let said = |running: &Running| running.space.call(&["nft", "-f", "-"], rules).map(drop);
        self.running().as_ref().map_or(Ok(()), said)
    }

    /// An error with the end of its log if a program of a node that is on has ended.
    pub(crate) fn check(&self) -> Result<()> {
        let running = self.running();
        let Some(running) = running.as_ref() else { return Ok(()) };
        running.containerd.check()?;
        running.kubelet.iter().try_for_each(Process::check)
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

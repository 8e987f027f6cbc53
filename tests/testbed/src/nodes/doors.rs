//! What a network plugin that enforces policies would do, by hand: nobody reaches a pod.

use crate::cluster::Cluster;
use crate::error::Result;

const TABLE: &str = "tenantry-shut";

impl Cluster {
    /// Lets nobody but its node reach a pod, over whatever way: routed, or on the node's bridge.
    ///
    /// # Errors
    /// A node can't be told, or the nodes are not ours.
    pub fn shut(&self, pod: &str) -> Result<()> {
        let chain = |family: &str, what: &str| {
            format!(
                "table {family} {TABLE} {{ chain shut {{ type filter hook forward priority -200; {what} daddr {pod} drop; }}; }}\n"
            )
        };
        let rules = chain("ip", "ip") + &chain("bridge", "ip");
        self.fleet()?.on_all(|_| true, |node, _| node.filter(&rules))
    }

    /// Takes that back.
    ///
    /// # Errors
    /// As [`Cluster::shut`].
    pub fn open(&self) -> Result<()> {
        let gone = format!("delete table ip {TABLE}\ndelete table bridge {TABLE}\n");
        self.fleet()?.on_all(|_| true, |node, _| node.filter(&gone))
    }
}

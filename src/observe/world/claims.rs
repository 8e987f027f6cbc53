//! Claims in tenants' namespaces, by name alone: what holds data has to be backed up, or left out with a reason.

use std::collections::BTreeSet;

use super::{Signal, World};

const CLAIMS: &str = "persistentvolumeclaims";

impl World {
    /// A list of claims begins; what it doesn't show until [`World::claims_listed`] is gone.
    pub fn claims_listing(&mut self) {
        self.list_begins(CLAIMS);
    }

    /// The list of claims is complete.
    pub fn claims_listed(&mut self) -> Vec<Signal> {
        let seen = self.list_ends(CLAIMS);
        let known =
            self.claims.iter().flat_map(|(namespace, names)| names.iter().map(move |name| (namespace, name)));
        let gone = known.filter(|(namespace, name)| !seen.contains(&format!("{namespace}/{name}")));
        let gone: Vec<_> = gone.map(|(namespace, name)| (namespace.clone(), name.clone())).collect();
        gone.iter().flat_map(|(namespace, name)| self.claim_gone(namespace, name)).collect()
    }

    /// A claim is there. Kept for every namespace: a Tenant may come to have it later, and nothing says so again.
    pub fn claim_seen(&mut self, namespace: &str, name: &str) -> Vec<Signal> {
        self.is_listed(CLAIMS, &format!("{namespace}/{name}"));
        let new = self.claims.entry(namespace.into()).or_default().insert(name.into());
        if new { self.concerns_backups(namespace) } else { Vec::new() }
    }

    /// A claim is gone.
    pub fn claim_gone(&mut self, namespace: &str, name: &str) -> Vec<Signal> {
        let Some(names) = self.claims.get_mut(namespace) else { return Vec::new() };
        let known = names.remove(name);
        if names.is_empty() {
            self.claims.remove(namespace);
        }
        if known { self.concerns_backups(namespace) } else { Vec::new() }
    }

    /// Names of the claims in a namespace.
    pub fn claims(&self, namespace: &str) -> BTreeSet<String> {
        self.claims.get(namespace).into_iter().flatten().map(ToString::to_string).collect()
    }

    /// Who has to say something else of its backups: nobody, where the Platform has none.
    fn concerns_backups(&self, namespace: &str) -> Vec<Signal> {
        let owner = self.namespace_owner(namespace);
        let platform = owner.as_ref().and_then(|owner| self.tenants.get(owner));
        let platform = platform.and_then(|tenant| self.platforms.get(&tenant.spec.platform_ref.name));
        let asks = platform.is_some_and(|platform| platform.spec.backups.is_some());
        owner.filter(|_| asks).map(Signal::TenantSoon).into_iter().collect()
    }
}

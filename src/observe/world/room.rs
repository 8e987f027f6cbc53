//! Room for the pods of a zone that is gone, as it was counted last.

use std::collections::BTreeSet;

use super::{Signal, World};
use crate::{
    api::tenant_status::ZoneLoss,
    observe::loss::{Fit, Fits},
};

impl World {
    /// The room was counted again. Tenants whose answer changed should look.
    pub fn counted(&mut self, fits: Fits) -> Vec<Signal> {
        let before = std::mem::replace(&mut self.fits, fits);
        let services = before.keys().chain(self.fits.keys());
        let changed = services.filter(|service| before.get(service) != self.fits.get(service));
        let namespaces: BTreeSet<&str> = changed.map(|(namespace, _)| namespace.as_str()).collect();
        let tenants = namespaces.iter().filter_map(|namespace| self.namespace_owner(namespace));
        tenants.map(Signal::TenantSoon).collect()
    }

    /// Nothing was counted for so long that what is known is no evidence any more.
    pub fn not_counted(&mut self, why: &str) -> Vec<Signal> {
        let unknown = self.fits.keys().map(|service| (service.clone(), Fit::Unknown(why.to_owned())));
        let fits = unknown.collect();
        self.counted(fits)
    }

    /// Whether a service's pods would find room elsewhere without one of their zones.
    pub fn fit(&self, namespace: &str, service: &str) -> Option<&Fit> {
        self.fits.get(&(namespace.to_owned(), service.to_owned()))
    }

    /// Services by what the loss of a zone would do to them, as statuses say.
    pub fn zone_losses(&self) -> [(ZoneLoss, usize); 4] {
        let mut counts =
            [ZoneLoss::Survives, ZoneLoss::Unknown, ZoneLoss::NoRoom, ZoneLoss::Breaks].map(|one| (one, 0));
        let statuses = self.tenants.values().filter_map(|tenant| tenant.status.as_ref());
        let losses =
            statuses.flat_map(|status| &status.services).filter_map(|service| service.zone_loss.as_ref());
        for loss in losses {
            counts.iter_mut().filter(|(answer, _)| *answer == loss.answer).for_each(|(_, count)| *count += 1);
        }
        counts
    }
}

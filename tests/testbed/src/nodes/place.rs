//! Names and addresses of a run's nodes, so that runs side by side don't meet.
//!
//! They come from 198.18.0.0/15, which RFC 2544 keeps for tests of network devices: neither clouds nor
//! container engines nor offices hand it out. A run has eight blocks of 256 addresses: one for the
//! nodes, and one for the pods of each node.

use std::net::Ipv4Addr;
use std::path::Path;

use crate::error::{Error, Result};
use crate::registry::Run;

/// How many runs with real nodes fit on a machine.
const RUNS: u16 = 64;
/// Addresses of a run.
const SIZE: u32 = 8 * 256;
/// The most nodes of a run: a block of addresses each.
pub(crate) const MOST_NODES: u8 = 7;

/// The names and addresses of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    index: u16,
}

impl Place {
    /// A place that no other run has and no route of this machine leads to.
    pub(crate) fn reserve(run: &Run) -> Result<Self> {
        let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
        let free = |index| {
            let place = Self { index };
            !Path::new("/sys/class/net").join(place.name()).exists() && !place.is_routed(&routes)
        };
        let found = run.reserve("networks", 0..RUNS, free)?;
        found.map(|index| Self { index }).ok_or_else(|| {
            Error::Invalid("no free addresses for real nodes in 198.18.0.0/15; end other runs first".into())
        })
    }

    /// The first of all, for tests of text.
    #[cfg(test)]
    pub(crate) fn first() -> Self {
        Self { index: 0 }
    }

    /// What everything of this run outside its folder is called: network link and cgroups.
    pub(crate) fn name(self) -> String {
        format!("tenantry{}", self.index)
    }

    /// The machine itself, as nodes and pods see it.
    pub(crate) fn host(self) -> Ipv4Addr {
        self.address(0, 1)
    }

    /// A node, counted from 1.
    pub(crate) fn node(self, number: u8) -> Ipv4Addr {
        self.address(0, 10 + number)
    }

    /// The range of a node's pods.
    pub(crate) fn pods(self, number: u8) -> String {
        format!("{}/24", self.address(number, 0))
    }

    /// The range of all nodes and pods.
    pub(crate) fn all(self) -> String {
        format!("{}/21", self.address(0, 0))
    }

    fn address(self, block: u8, host: u8) -> Ipv4Addr {
        let first = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + u32::from(self.index) * SIZE;
        Ipv4Addr::from(first + u32::from(block) * 256 + u32::from(host))
    }

    /// Whether a line of `/proc/net/route` leads here: its second word is the destination, as
    /// hexadecimal digits in this machine's byte order.
    fn is_routed(self, routes: &str) -> bool {
        let first = u32::from(self.address(0, 0));
        let words = routes.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1));
        let destinations = words.filter_map(|word| u32::from_str_radix(word, 16).ok());
        destinations
            .map(|word| u32::from(Ipv4Addr::from(word.to_ne_bytes())))
            .any(|destination| (first..first + SIZE).contains(&destination))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_do_not_meet() {
        let (first, second) = (Place { index: 0 }, Place { index: 1 });
        assert_eq!(first.host().to_string(), "198.18.0.1");
        assert_eq!(first.node(1).to_string(), "198.18.0.11");
        assert_eq!(first.pods(MOST_NODES), "198.18.7.0/24");
        assert_eq!((first.all(), second.all()), ("198.18.0.0/21".into(), "198.18.8.0/21".into()));
        let last = Place { index: RUNS - 1 };
        assert_eq!((last.name().len() <= 15, last.all()), (true, "198.19.248.0/21".to_string()));
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn a_route_takes_a_place() {
        let routes = "Iface\tDestination\tGateway\neth0\t00000000\t0101A8C0\neth1\t00081EC6\t00000000\n\
                      tap0\t000812C6\t00000000\n";
        assert!(!Place { index: 0 }.is_routed(routes), "a default route leads everywhere and takes nothing");
        assert!(Place { index: 1 }.is_routed(routes));
    }
}

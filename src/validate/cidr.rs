//! Address ranges: read, compared and subtracted.

use core::net::IpAddr;
use std::fmt;

/// A range of addresses in its normal form: bits behind the prefix are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Reads `203.0.113.0/24` or `2001:db8::/32`.
    ///
    /// # Errors
    /// Says what is wrong, and for a range with bits behind its prefix which range was meant.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not a CIDR; write it like 203.0.113.0/24");
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        if prefix > Self::bits(address) {
            return Err(wrong());
        }
        let normal = Self::new(address, prefix);
        if normal.address != address {
            return Err(format!("\"{text}\" has bits behind its prefix; write {normal}"));
        }
        Ok(normal)
    }

    /// The range of one address.
    pub fn host(address: IpAddr) -> Self {
        Self::new(address, Self::bits(address))
    }

    fn new(address: IpAddr, prefix: u8) -> Self {
        let keep = |bits: u8, width: u8| if bits == 0 { 0 } else { u128::MAX << (width - bits) };
        let address = match address {
            IpAddr::V4(v4) => {
                let mask = u32::try_from(keep(prefix, 32) & u128::from(u32::MAX)).unwrap_or(u32::MAX);
                IpAddr::V4((u32::from(v4) & mask).into())
            }
            IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & keep(prefix, 128)).into()),
        };
        Self { address, prefix }
    }

    fn bits(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }

    /// Whether every address of `other` is in this range.
    pub fn contains(self, other: Self) -> bool {
        self.address.is_ipv4() == other.address.is_ipv4()
            && self.prefix <= other.prefix
            && Self::new(other.address, self.prefix) == self
    }

    /// The parts of `denied` that lie inside this range, each once, sorted, and merged where two
    /// halves make a whole; `None` when they cover the range.
    pub fn except(self, denied: &[Self]) -> Option<Vec<Self>> {
        if denied.iter().any(|range| range.contains(self)) {
            return None;
        }
        let inside: Vec<Self> = denied.iter().copied().filter(|range| self.contains(*range)).collect();
        let parts = merge(inside);
        if parts == [self] { None } else { Some(parts) }
    }

    fn sibling_parent(self, other: Self) -> Option<Self> {
        if self == other || self.prefix == 0 || self.prefix != other.prefix {
            return None;
        }
        let parent = Self::new(self.address, self.prefix - 1);
        (parent.contains(other)).then_some(parent)
    }
}

/// Drops ranges inside others and joins halves, so that a thousand node addresses stay a short list.
pub fn merge(mut ranges: Vec<Cidr>) -> Vec<Cidr> {
    ranges.sort_unstable();
    let mut merged: Vec<Cidr> = Vec::new();
    for range in ranges {
        if merged.last().is_some_and(|last| last.contains(range)) {
            continue;
        }
        merged.push(range);
        while let [.., a, b] = merged[..] {
            let Some(parent) = a.sibling_parent(b) else { break };
            merged.truncate(merged.len() - 2);
            merged.push(parent);
        }
    }
    merged
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).expect("a test's CIDR is right")
    }

    #[test]
    fn ranges_hold_each_other() {
        assert!(cidr("0.0.0.0/0").contains(cidr("10.1.2.0/24")));
        assert!(cidr("10.0.0.0/8").contains(cidr("10.0.0.0/8")));
        assert!(!cidr("10.0.0.0/9").contains(cidr("10.128.0.0/9")));
        assert!(!cidr("0.0.0.0/0").contains(cidr("::/0")));
    }

    #[test]
    fn wrong_ranges_say_what_is_right() {
        assert_eq!(
            Cidr::parse("10.1.2.3/8").unwrap_err(),
            "\"10.1.2.3/8\" has bits behind its prefix; write 10.0.0.0/8"
        );
        for text in ["10.0.0.0", "10.0.0.0/33", "x/8", "::/129", ""] {
            assert!(Cidr::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn denied_parts_are_cut_out() {
        let denied = [cidr("10.0.0.1/32"), cidr("10.0.0.0/32"), cidr("10.0.0.0/32"), cidr("169.254.0.0/16")];
        assert_eq!(cidr("10.0.0.0/8").except(&denied), Some(vec![cidr("10.0.0.0/31")]));
        assert_eq!(cidr("169.254.1.0/24").except(&denied), None);
        assert_eq!(cidr("10.0.0.0/31").except(&denied), None);
        assert_eq!(cidr("192.0.2.0/24").except(&denied), Some(vec![]));
    }
}

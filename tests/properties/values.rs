//! Values: what is written is what was read.

use core::net::IpAddr;

use proptest::prelude::*;
use tenantry::api::common::Duration;
use tenantry::api::quantity::{Milli, Quantity};
use tenantry::validate::cidr::{Cidr, merge};

use crate::many;

fn cidr() -> impl Strategy<Value = Cidr> {
    let four = (any::<u32>(), 0..=32u8).prop_map(|(bits, prefix)| {
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        format!("{}/{prefix}", core::net::Ipv4Addr::from(bits & mask))
    });
    let six = (any::<u128>(), 0..=128u8).prop_map(|(bits, prefix)| {
        let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
        format!("{}/{prefix}", core::net::Ipv6Addr::from(bits & mask))
    });
    prop_oneof![four, six].prop_map(|text| Cidr::parse(&text).expect("a range in its normal form"))
}

/// Ranges close together, so that they touch and hold each other.
fn near() -> impl Strategy<Value = Cidr> {
    (0..64u32, 26..=32u8).prop_map(|(bits, prefix)| {
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        let address = core::net::Ipv4Addr::from((0x0A00_0000 | bits) & mask);
        Cidr::parse(&format!("{address}/{prefix}")).expect("a range in its normal form")
    })
}

fn holds(ranges: &[Cidr], host: u32) -> bool {
    let host = Cidr::host(IpAddr::from((0x0A00_0000 | host).to_be_bytes()));
    ranges.iter().any(|range| range.contains(host))
}

proptest! {
    #![proptest_config(many(2000))]

    #[test]
    fn a_range_is_read_as_it_is_written(range in cidr()) {
        prop_assert_eq!(Cidr::parse(&range.to_string()), Ok(range));
        prop_assert!(range.contains(range));
    }

    #[test]
    fn merged_ranges_hold_the_same_addresses(ranges in proptest::collection::vec(near(), 0..12)) {
        let merged = merge(ranges.clone());
        prop_assert!(merged.len() <= ranges.len());
        for host in 0..64 {
            prop_assert_eq!(holds(&ranges, host), holds(&merged, host));
        }
        prop_assert_eq!(merge(merged.clone()), merged);
    }

    /// What a rule opens less what is denied: nothing denied is left, and nothing else is lost.
    #[test]
    fn denied_addresses_are_cut_out(range in near(), denied in proptest::collection::vec(near(), 0..12)) {
        let except = range.except(&denied);
        for host in 0..64 {
            let asked = holds(&[range], host);
            let open = except.as_ref().is_some_and(|except| asked && !holds(except, host));
            prop_assert_eq!(open, asked && !holds(&denied, host));
        }
        // The API server takes only parts that are smaller than the whole.
        prop_assert!(except.iter().flatten().all(|part| range.contains(*part) && *part != range));
    }

    #[test]
    fn a_duration_is_read_as_it_is_written(nanos in 0..1_000_000_000_000_000u64) {
        for nanos in [nanos, nanos / 1000 * 1000, nanos / 1_000_000 * 1_000_000, nanos / 1_000_000_000 * 1_000_000_000] {
            let duration = Duration(std::time::Duration::from_nanos(nanos));
            prop_assert_eq!(Duration::parse(&duration.to_string()), Ok(duration));
        }
    }

    #[test]
    fn a_quantity_is_read_as_it_is_written(milli in 0..1_000_000_000_000_000i128) {
        let text = Milli(milli).to_string();
        prop_assert_eq!(Quantity::from(text.as_str()).milli(), Ok(Milli(milli)));
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in ".{0,24}", number in "[-+.0-9]{0,6}[a-zA-Z]{0,2}[-+0-9]{0,3}") {
        for text in [&text, &number] {
            let _ = Cidr::parse(text);
            let _ = Duration::parse(text);
            let _ = Quantity::from(text.as_str()).milli();
        }
    }
}

//! The times of `valid-after` and `valid-before`.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Reads `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, with or without a `Z`. All of them are UTC: ssh-keygen
/// takes a time without `Z` as the machine's local time, and a trust root must not mean different things
/// on different machines.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |text| text.parse::<i8>().ok());
    let year = digits.get(..4)?.parse().ok()?;
    let date = DateTime::new(year, part(4, 6)?, part(6, 8)?, part(8, 10)?, part(10, 12)?, part(12, 14)?, 0);
    Some(date.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let good = |text: &str| time(text).unwrap_or_else(|| panic!("{text}")).to_string();
        assert_eq!(good("20260131"), "2026-01-31T00:00:00Z");
        assert_eq!(good("20260131Z"), "2026-01-31T00:00:00Z");
        assert_eq!(good("202601312359"), "2026-01-31T23:59:00Z");
        assert_eq!(good("20260131235958Z"), "2026-01-31T23:59:58Z");
        for bad in
            ["", "2026", "20260132", "2026013123", "20260131T00", "202601312460", "+2026013", "20260131+01"]
        {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}

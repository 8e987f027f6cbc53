//! Kubernetes quantities: read exactly, compared and added in thousandths.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

/// An amount in Kubernetes' notation (`250m`, `2`, `512Mi`), kept as it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

/// An amount in thousandths of the unit, so that `250m` is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Milli(pub i128);

impl Quantity {
    /// The amount in thousandths, rounded up as the API server rounds.
    ///
    /// # Errors
    /// The text is not a quantity; the message says so.
    pub fn milli(&self) -> Result<Milli, String> {
        let text = self.0.as_str();
        let wrong = || format!("\"{text}\" is not a quantity; write it like 250m, 2 or 512Mi");
        let split = text
            .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '+' || c == '-'))
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(split);
        let factor = factor(suffix).ok_or_else(wrong)?;
        let (sign, digits) = match number.as_bytes().first() {
            Some(b'-') => (-1, &number[1..]),
            Some(b'+') => (1, &number[1..]),
            _ => (1, number),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty())
            || !(plain(whole) && plain(fraction))
            || whole.len() + fraction.len() > 24
        {
            return Err(wrong());
        }
        let mantissa: i128 = format!("{whole}{fraction}").parse().map_err(|_| wrong())?;
        let divisor = 10i128.pow(u32::try_from(fraction.len()).map_err(|_| wrong())?);
        let (numerator, denominator) = factor;
        let top = mantissa.checked_mul(1000).and_then(|v| v.checked_mul(numerator)).ok_or_else(wrong)?;
        let bottom = divisor * denominator;
        Ok(Milli(sign * (top + bottom - 1).div_euclid(bottom)))
    }
}

/// The suffix as numerator and denominator of its factor.
fn factor(suffix: &str) -> Option<(i128, i128)> {
    let binary = |power: u32| Some((1024i128.pow(power), 1));
    let decimal = |power: u32| Some((1000i128.pow(power), 1));
    match suffix {
        "" => Some((1, 1)),
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1000)),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|e| *e <= 18)?;
            Some((10i128.pow(exponent), 1))
        }
    }
}

impl Milli {
    /// The sum with another amount, `times` over.
    #[must_use]
    pub fn plus(self, other: Self, times: i128) -> Self {
        Self(self.0.saturating_add(other.0.saturating_mul(times)))
    }
}

impl fmt::Display for Milli {
    /// As a quantity: whole units where it can, binary suffixes for whole MiB.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MI: i128 = 1000 * 1024 * 1024;
        match self.0 {
            v if v % 1000 != 0 => write!(f, "{v}m"),
            v if v != 0 && v % MI == 0 => write!(f, "{}Mi", v / MI),
            v => write!(f, "{}", v / 1000),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Quantity {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Quantity {
    /// Takes a string, or a number as people write `cpu: 2`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 250m, 2 or 512Mi")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity(text.to_owned()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{ "type": "integer" }, { "type": "string" }],
            "maxLength": 32,
            "pattern": r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$",
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_exactly() {
        let cases = [
            ("250m", 250),
            ("2", 2000),
            ("0.1", 100),
            (".5", 500),
            ("1.5Gi", 1_610_612_736_000),
            ("1e3", 1_000_000),
            ("1k", 1_000_000),
            ("100n", 1),
            ("-1", -1000),
        ];
        for (text, milli) in cases {
            assert_eq!(Quantity::from(text).milli(), Ok(Milli(milli)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_quantity_is_refused() {
        for text in ["", "abc", "1Xi", "1.2.3", "--1", "-+1", ".+2", "1e99", "m"] {
            assert!(Quantity::from(text).milli().is_err(), "{text}");
        }
    }
}

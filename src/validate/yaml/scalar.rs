//! What a plain (unquoted) scalar means, and whether YAML readers disagree.
//!
//! The meaning is kubectl's (sigs.k8s.io/yaml, a YAML 1.1 reader with its own
//! ideas about numbers); `tests/fixtures/kubectl-scalars.json` holds what a real
//! kubectl made of some hundred of them. Where YAML 1.1, YAML 1.2 and kubectl do
//! not all agree, the scalar is in doubt and has to be quoted.

use serde_json::{Number, Value};

/// The meaning of a plain scalar.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain {
    /// What kubectl makes of it.
    pub value: Value,
    /// Why it is in doubt: the end of the sentence "… must be quoted: ".
    pub doubt: Option<String>,
}

/// Reads a plain scalar as kubectl does.
pub fn resolve(text: &str) -> Plain {
    let sure = |value| Plain { value, doubt: None };
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return sure(Value::Null),
        "true" | "True" | "TRUE" => return sure(Value::Bool(true)),
        "false" | "False" | "FALSE" => return sure(Value::Bool(false)),
        _ => {}
    }
    if let Some(plain) = word(text).or_else(|| not_finite(text)) {
        return plain;
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return sure(Value::String(text.to_owned()));
    }
    if let Some(value) = number(text) {
        let doubt = doubtful_number(text, &value).then(|| format!("kubectl reads it as the number {value}"));
        return Plain { value, doubt };
    }
    let doubt = sexagesimal(text)
        .then(|| "kubectl reads it as a string, YAML 1.1 readers as a number with base 60".to_owned());
    Plain { value: Value::String(text.to_owned()), doubt }
}

/// The other words for true and false of YAML 1.1.
fn word(text: &str) -> Option<Plain> {
    let truth = match text.to_ascii_lowercase().as_str() {
        _ if text.len() > 3 => return None,
        "y" | "yes" | "on" => true,
        "n" | "no" | "off" => false,
        _ => return None,
    };
    let same_case = text.chars().all(|c| c.is_ascii_lowercase())
        || text.chars().all(|c| c.is_ascii_uppercase())
        || text.chars().skip(1).all(|c| c.is_ascii_lowercase());
    let (value, doubt) = if same_case {
        (Value::Bool(truth), format!("kubectl reads it as {truth}, YAML 1.2 readers as a string"))
    } else {
        let doubt = format!("kubectl reads it as a string, some readers as {truth}");
        (Value::String(text.to_owned()), doubt)
    };
    Some(Plain { value, doubt: Some(doubt) })
}

fn not_finite(text: &str) -> Option<Plain> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let infinite = matches!(unsigned, ".inf" | ".Inf" | ".INF");
    (infinite || matches!(text, ".nan" | ".NaN" | ".NAN")).then(|| Plain {
        value: Value::String(text.to_owned()),
        doubt: Some("kubectl refuses it, because JSON has no such number".to_owned()),
    })
}

/// A number as kubectl reads it, with what Go's literals add: `0755` is octal,
/// `1_000` is 1000.
fn number(text: &str) -> Option<Value> {
    let digits = text.replace('_', "");
    let (negative, unsigned) = match digits.strip_prefix(['+', '-']) {
        Some(rest) => (digits.starts_with('-'), rest),
        None => (false, digits.as_str()),
    };
    if let Some(value) = integer(negative, unsigned) {
        return Some(value);
    }
    if !is_float(unsigned) {
        return None;
    }
    let float: f64 = unsigned.parse().ok()?;
    json_number(if negative { -float } else { float })
}

fn integer(negative: bool, unsigned: &str) -> Option<Value> {
    let lower = unsigned.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (lower.as_str(), 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let wide = i128::from_str_radix(digits, radix).ok()?;
    let signed = if negative { -wide } else { wide };
    match (i64::try_from(signed), u64::try_from(signed)) {
        (Ok(exact), _) => Some(Value::Number(exact.into())),
        // Like kubectl, which hands it on as JSON that no int64 can hold.
        #[allow(clippy::cast_precision_loss)]
        (_, Ok(large)) => json_number(large as f64),
        _ => None,
    }
}

/// `[0-9]*.[0-9]*` with an exponent, at least one digit before it.
fn is_float(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let signless = exponent.map(|e| e.strip_prefix(['+', '-']).unwrap_or(e));
    digits(whole)
        && digits(part)
        && !(whole.is_empty() && part.is_empty())
        && signless.is_none_or(|e| !e.is_empty() && digits(e))
}

/// A float as Go's JSON writer gives it to the API server: a whole number that
/// fits becomes an integer.
fn json_number(float: f64) -> Option<Value> {
    const EXACT: f64 = 9_223_372_036_854_775_807.0;
    if float.fract() == 0.0 && float.abs() < EXACT {
        #[allow(clippy::cast_possible_truncation)] // whole and in range
        return Some(Value::Number((float as i64).into()));
    }
    Number::from_f64(float).map(Value::Number)
}

/// Whether readers disagree about a number.
fn doubtful_number(text: &str, value: &Value) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let hex = unsigned == text && text.strip_prefix("0x").is_some_and(|rest| !rest.contains('_'));
    let leading_zero = unsigned.len() > 1 && unsigned.starts_with('0') && !unsigned.starts_with("0.") && !hex;
    let exponent_only = !hex && unsigned.contains(['e', 'E']) && !unsigned.contains('.');
    let too_large = !value.is_i64() && !unsigned.contains(['.', 'e', 'E']);
    text.contains('_') || leading_zero || exponent_only || too_large
}

/// `12:30:45`, in YAML 1.1 a number with base 60 (with a fraction, too).
fn sexagesimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = match unsigned.split_once('.') {
        Some((whole, part)) if part.bytes().all(|b| b.is_ascii_digit() || b == b'_') => whole,
        Some(_) => return false,
        None => unsigned,
    };
    let mut parts = whole.split(':');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let first = parts.next().is_some_and(digits);
    let mut rest = parts.peekable();
    first && rest.peek().is_some() && rest.all(|part| digits(part) && part.len() <= 2 && part < "60")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_readers_disagree_about_is_in_doubt() {
        let sure = "text ~ null NULL true False TRUE 0 -0 7 -12 +5 3.0 1.10 .5 5. 0.5 -0.5 1.5e3 1.0E-3 \
            0x1F 2024-01-02 2024-01-02T03:04:05Z 10.0.0.1 1.2.3 v1 1a 0xZZ 1:99 80:8080 a:b ::1 \
            12:30pm 100m 5Gi 1e inf nan none yesterday nope one of - -- . .. + _1 \
            9223372036854775807 30s e3 =";
        for sure in sure.split(' ') {
            assert_eq!(resolve(sure).doubt, None, "{sure}");
        }
        let doubtful = "y N yes No ON off yEs 0755 00 08 -07 007.5 0o17 0O7 0b11 0X1F -0x1F 0x_1 1_000 1_ \
            1:20 12:30:45 -1:20 1:20.5 .inf -.INF .nan 1e3 1E3 9223372036854775808 \
            123456789012345678901234567890";
        for doubtful in doubtful.split(' ') {
            assert!(resolve(doubtful).doubt.is_some(), "{doubtful}");
        }
    }
}

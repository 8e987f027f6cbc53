//! A cron line: five fields, read strictly, with `H` replaced by numbers. Pure.

use std::{collections::BTreeSet, fmt};

use super::Seed;

/// Why a line can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// Column of the field or item, counted from 1.
    pub column: usize,
    /// What is wrong there, and what may stand there.
    pub message: String,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.message)
    }
}

/// A line with numbers only.
pub(super) struct Line {
    pub(super) expanded: String,
    pub(super) rate: f64,
}

/// One of the five places.
struct Place {
    name: &'static str,
    least: u32,
    most: u32,
    /// Last value that `H` may have: days 29 to 31 aren't in every month.
    hash_most: u32,
    /// Names of values, from `least` on.
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const PLACES: [Place; 5] = [
    Place { name: "minute", least: 0, most: 59, hash_most: 59, names: &[] },
    Place { name: "hour", least: 0, most: 23, hash_most: 23, names: &[] },
    Place { name: "day of month", least: 1, most: 31, hash_most: 28, names: &[] },
    Place { name: "month", least: 1, most: 12, hash_most: 12, names: &MONTHS },
    Place { name: "day of week", least: 0, most: 7, hash_most: 6, names: &DAYS },
];

/// Words for lines.
const WORDS: [(&str, &str); 6] = [
    ("@hourly", "H * * * *"),
    ("@daily", "H H * * *"),
    ("@midnight", "H H(0-2) * * *"),
    ("@weekly", "H H * * H"),
    ("@monthly", "H H H * *"),
    ("@yearly", "H H H H *"),
];

/// What one field says.
#[derive(Clone, Debug)]
enum Field {
    Any,
    /// `H` in this range, once.
    Hash(u32, u32),
    Values {
        values: BTreeSet<u32>,
        span: Option<u32>,
    },
}

pub(super) fn expand(text: &str, seed: &Seed) -> Result<Line, LineError> {
    let at = |column: usize, message: String| LineError { column, message };
    let trimmed = text.trim();
    if trimmed.starts_with('@') {
        let known = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(trimmed));
        let (_, line) = known.ok_or_else(|| {
            let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
            at(1, format!("there is no \"{trimmed}\": write five fields, or {}", words.join(", ")))
        })?;
        return expand(line, seed);
    }
    let found = split(text);
    if found.len() != PLACES.len() {
        let (column, many) = (found.get(5).map_or(1, |(column, _)| *column), found.len());
        return Err(at(
            column,
            format!("{many} fields, not 5: minute, hour, day of month, month, day of week"),
        ));
    }
    let mut fields = Vec::new();
    for (index, ((column, item), place)) in found.iter().zip(&PLACES).enumerate() {
        fields.push(read(item, *column, place, seed, index)?);
    }
    Ok(numbers(&fields, seed))
}

/// Fields with their columns.
fn split(text: &str) -> Vec<(usize, String)> {
    let mut fields: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (index, letter) in text.chars().enumerate() {
        match (letter.is_whitespace(), open, fields.last_mut()) {
            (true, ..) => open = false,
            (false, true, Some((_, field))) => field.push(letter),
            (false, ..) => {
                fields.push((index + 1, letter.to_string()));
                open = true;
            }
        }
    }
    fields
}

fn read(field: &str, column: usize, place: &Place, seed: &Seed, index: usize) -> Result<Field, LineError> {
    if field == "*" {
        return Ok(Field::Any);
    }
    let (mut values, mut span, mut at) = (BTreeSet::new(), None, column);
    let items: Vec<&str> = field.split(',').collect();
    for item in &items {
        let range = Range::read(item, at, place)?;
        if range.hashed {
            if items.len() == 1 && range.step.is_none() {
                return Ok(Field::Hash(range.from, range.to));
            }
            span = Some(range.to - range.from + 1);
        }
        let first = match (range.hashed, range.step) {
            (true, Some(step)) => range.from + pick(seed, index, step.min(range.to - range.from + 1)),
            (true, None) => range.from + pick(seed, index, range.to - range.from + 1),
            (false, _) => range.from,
        };
        let last = if range.hashed && range.step.is_none() { first } else { range.to };
        let step = usize::try_from(range.step.unwrap_or(1)).unwrap_or(usize::MAX);
        values.extend((first..=last).step_by(step));
        at += item.chars().count() + 1;
    }
    Ok(Field::Values { values, span })
}

fn pick(seed: &Seed, index: usize, many: u32) -> u32 {
    let salt = [u8::try_from(index).unwrap_or_default()];
    u32::try_from(seed.pick(&salt, u64::from(many))).unwrap_or_default()
}

/// `7`, `1-5`, `*/15`, `H(0-5)/2`.
struct Range {
    hashed: bool,
    from: u32,
    to: u32,
    step: Option<u32>,
}

impl Range {
    fn read(item: &str, column: usize, place: &Place) -> Result<Self, LineError> {
        let Place { name, least, most, hash_most, .. } = place;
        let wrong = |what: String| LineError {
            column,
            message: format!(
                "{name}: {what}; write {least} to {most}, a range as {least}-{most}, a step as */2, H, or a list of them"
            ),
        };
        let (body, step) = match item.split_once('/') {
            Some((body, step)) => {
                let step = number(step).filter(|step| (1..=*most).contains(step));
                let step =
                    step.ok_or_else(|| wrong(format!("\"{item}\" has no step between 1 and {most}")))?;
                (body, Some(step))
            }
            None => (item, None),
        };
        let value = |text: &str| {
            let named = place.names.iter().position(|name| name.eq_ignore_ascii_case(text));
            let named = named.and_then(|at| u32::try_from(at).ok()).map(|at| at + least);
            named.or_else(|| number(text)).filter(|value| (*least..=*most).contains(value))
        };
        let pair = |text: &str| {
            let (from, to) = text.split_once('-')?;
            Some((value(from)?, value(to)?)).filter(|(from, to)| from <= to)
        };
        let cant = || wrong(format!("can't read \"{item}\""));
        if let Some(rest) = body.strip_prefix(['H', 'h']) {
            let (from, to) = match rest {
                "" => (*least, *hash_most),
                _ => {
                    let inner = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
                    inner.and_then(pair).ok_or_else(cant)?
                }
            };
            return Ok(Self { hashed: true, from, to, step });
        }
        let (from, to) = match (body, value(body)) {
            // Sunday is 0 and 7: a step over all days must not have it twice.
            ("*", _) => (*least, (*most).min(*hash_most).max(most - u32::from(*most == 7))),
            (_, Some(one)) if step.is_none() => (one, one),
            _ => pair(body).ok_or_else(cant)?,
        };
        Ok(Self { hashed: false, from, to, step })
    }
}

/// Digits only: no sign, no space.
fn number(text: &str) -> Option<u32> {
    (!text.is_empty() && text.len() < 4 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Numbers in the place of each `H`. Minute and hour are drawn together, so that they fill a window of hours evenly.
fn numbers(fields: &[Field], seed: &Seed) -> Line {
    let mut drawn: Vec<Option<u32>> = fields
        .iter()
        .enumerate()
        .map(|(index, field)| match field {
            Field::Hash(from, to) => Some(from + pick(seed, index, to - from + 1)),
            _ => None,
        })
        .collect();
    if let [Field::Hash(minute, minutes), Field::Hash(hour, hours), ..] = fields {
        let across = minutes - minute + 1;
        let one = pick(seed, usize::from(u8::MAX), across * (hours - hour + 1));
        drawn[0] = Some(minute + one % across);
        drawn[1] = Some(hour + one / across);
    }
    let text = |(field, drawn): (&Field, &Option<u32>)| match (field, drawn) {
        (_, Some(one)) => one.to_string(),
        (Field::Values { values, .. }, _) => values.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        _ => "*".to_owned(),
    };
    let expanded: Vec<String> = fields.iter().zip(&drawn).map(text).collect();
    let rate = share(&fields[0], 60, 60) * share(&fields[1], 24, 0);
    Line { expanded: expanded.join(" "), rate: rate.min(1.0) }
}

/// Share of the values that a field could have which it has. `fixed` is what a fixed field is spread over; 0 for its own
/// values.
fn share(field: &Field, all: u32, fixed: u32) -> f64 {
    let (have, of) = match field {
        Field::Any => (all, all),
        Field::Hash(from, to) => (1, to - from + 1),
        Field::Values { values, span } => {
            let have = u32::try_from(values.len()).unwrap_or(all);
            (have, span.unwrap_or(if fixed == 0 { have } else { fixed }))
        }
    };
    f64::from(have) / f64::from(of.max(1))
}

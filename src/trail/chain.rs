//! How records hang together, and whether they do. Pure.
//!
//! Each line has its number and the hash of the line before, over segments. A segment that doesn't verify is
//! left as it is; the next one begins with its hash and says what was wrong: so nothing is hidden, and what
//! came after still holds.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::health::Transition;
use super::record::{Change, canonical, hash};

/// The form of these records.
pub const FORMAT: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its number, counted from 1 over all segments.
    pub sequence: u64,
    /// Hash of the line before.
    pub previous: String,
    /// What it holds.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What a line holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Entry {
    /// A change.
    Change(Box<Change>),
    /// A condition that turned.
    Condition(Box<Transition>),
    /// What a run of a backup, a drill or a restore left, as it left it.
    Run(Value),
    /// The first line of a segment.
    Segment(Segment),
}

impl From<Change> for Entry {
    fn from(change: Change) -> Self {
        Self::Change(Box::new(change))
    }
}

impl From<Transition> for Entry {
    fn from(transition: Transition) -> Self {
        Self::Condition(Box::new(transition))
    }
}

/// The first line of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// [`FORMAT`].
    pub format: u32,
    /// Its number, as in its file's name.
    pub number: u32,
    /// What was wrong with the segment before; then `previous` is the hash of that whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

/// A line by its number and hash; the default comes before the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The line's number.
    pub sequence: u64,
    /// The line's hash.
    pub hash: String,
}

impl Default for Tip {
    fn default() -> Self {
        Self { sequence: 0, hash: "0".repeat(64) }
    }
}

impl Tip {
    /// The next line, with its end; the tip moves on to it.
    pub fn push(&mut self, entry: Entry) -> String {
        let link = Link { sequence: self.sequence + 1, previous: self.hash.clone(), entry };
        let mut line = canonical(json!(link));
        *self = Self { sequence: link.sequence, hash: hash(line.as_bytes()) };
        line.push('\n');
        line
    }

    /// As it is kept in the file `head`: always of the same length, so that it is written in one piece.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{:020} {}\n", self.sequence, self.hash)
    }

    /// Reads [`Tip::to_text`].
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (sequence, hash) = text.strip_suffix('\n')?.split_once(' ')?;
        (hash.len() == 64).then_some(())?;
        Some(Self { sequence: sequence.parse().ok()?, hash: hash.to_owned() })
    }
}

/// A segment as it was found.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Its file's name.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What a segment holds, as far as it verifies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Its lines that verify, with their tips.
    pub lines: Vec<(Tip, Entry)>,
    /// Bytes of those lines.
    pub good: usize,
    /// Bytes after the last end of a line: a write that was cut off.
    pub torn: usize,
    /// The first thing that is wrong, with its line.
    pub problem: Option<String>,
}

impl Checked {
    /// The last line that verifies.
    #[must_use]
    pub fn tip(&self) -> Option<&Tip> {
        self.lines.last().map(|(tip, _)| tip)
    }

    fn head(&self) -> Option<&Segment> {
        match self.lines.first() {
            Some((_, Entry::Segment(segment))) => Some(segment),
            _ => None,
        }
    }
}

/// Checks one segment by itself: what its first line says of the one before is not looked at.
#[must_use]
pub fn check(bytes: &[u8]) -> Checked {
    let mut checked = Checked::default();
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        let number = checked.lines.len() + 1;
        let link = match serde_json::from_slice::<Link>(line) {
            Ok(link) => link,
            Err(_) => {
                checked.problem = Some(format!("line {number} is not a record"));
                return checked;
            }
        };
        let first = checked.lines.is_empty();
        let follows =
            checked.tip().is_none_or(|tip| link.sequence == tip.sequence + 1 && link.previous == tip.hash);
        let right = first == matches!(link.entry, Entry::Segment(_));
        if !follows || !right {
            checked.problem = Some(format!(
                "line {number} (record {}) does not follow the line before it: one of them was changed, removed or moved",
                link.sequence
            ));
            return checked;
        }
        let tip = Tip { sequence: link.sequence, hash: hash(line) };
        checked.lines.push((tip, link.entry));
        checked.good += end + 1;
        rest = &rest[end + 1..];
    }
    checked.torn = rest.len();
    if checked.lines.is_empty() {
        checked.problem = Some("it has no line".to_owned());
    }
    checked
}

/// What a trail holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The changes up to a break, in order; the last one before it may be the one that was changed.
    pub changes: Vec<Change>,
    /// Everything that is wrong.
    pub problems: Vec<String>,
}

/// Verifies a trail: every segment, that they follow each other from the first one on, and that they reach the
/// head. Bytes after the last end of a line are no problem: a write may be under way.
#[must_use]
pub fn verify(pieces: &[Piece<'_>], head: Option<&str>) -> Verified {
    let mut verified = verify_some(pieces);
    let first = pieces.first().map(|piece| check(piece.bytes));
    match first.as_ref().and_then(Checked::head) {
        Some(Segment { broken: Some(broken), number: 1, .. }) => {
            verified.problems.insert(0, format!("{} begins anew: {broken}", pieces[0].name));
        }
        Some(segment) if segment.number != 1 => {
            verified.problems.insert(0, format!("segments before {} are gone", pieces[0].name));
        }
        _ => {}
    }
    let tips: Vec<Tip> =
        pieces.iter().flat_map(|piece| check(piece.bytes).lines).map(|(tip, _)| tip).collect();
    match head.map(Tip::from_text) {
        None if tips.len() > 1 => verified.problems.push("the file head is gone".to_owned()),
        None => {}
        Some(None) => verified.problems.push("the file head can't be read".to_owned()),
        Some(Some(head)) if tips.contains(&head) => {}
        Some(Some(head)) => verified.problems.push(format!(
            "record {} is not what it was when it was written, or is gone: the file head knows it",
            head.sequence
        )),
    }
    verified
}

/// Verifies segments that follow each other, wherever they begin and end.
#[must_use]
pub fn verify_some(pieces: &[Piece<'_>]) -> Verified {
    let mut verified = Verified::default();
    let mut before: Option<(&Piece<'_>, Checked)> = None;
    for piece in pieces {
        let checked = check(piece.bytes);
        if let Some(problem) = &checked.problem {
            verified.problems.push(format!("{}: {problem}", piece.name));
        }
        if let (Some((last, former)), Some(segment)) = (&before, checked.head())
            && let Some(problem) = follows(last, former, piece, segment)
        {
            verified.problems.push(problem);
        }
        let changes = checked.lines.iter().filter_map(|(_, entry)| match entry {
            Entry::Change(change) => Some(change.as_ref().clone()),
            _ => None,
        });
        verified.changes.extend(changes);
        before = Some((piece, checked));
    }
    verified
}

/// What is wrong between two segments.
fn follows(last: &Piece<'_>, former: &Checked, piece: &Piece<'_>, segment: &Segment) -> Option<String> {
    let name = piece.name;
    let number = former.head().map_or(0, |head| head.number);
    if number != 0 && segment.number != number + 1 {
        return Some(format!("{name}: segments between {} and it are gone", last.name));
    }
    let link = serde_json::from_slice::<Link>(piece.bytes.split(|byte| *byte == b'\n').next()?).ok()?;
    if let Some(broken) = &segment.broken {
        let same = link.previous == hash(last.bytes);
        let changed = if same { "" } else { "; and that was changed since" };
        return Some(format!("{name} begins anew after {}: {broken}{changed}", last.name));
    }
    let tip = former.tip()?;
    let right = former.problem.is_none()
        && former.torn == 0
        && link.previous == tip.hash
        && link.sequence == tip.sequence + 1;
    (!right)
        .then(|| format!("{name} does not follow {}: records at its end were changed or removed", last.name))
}

#[cfg(test)]
mod tests;

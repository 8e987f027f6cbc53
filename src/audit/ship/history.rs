//! The checkpoints that were signed and that the witness hasn't confirmed yet: what its own are compared with. Pure.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::audit::log::hash::Hash;

/// A checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Leaves.
    pub size: u64,
    /// Records below this number are in it.
    pub next: u64,
    /// Over all leaves.
    pub root: Hash,
}

impl Mark {
    /// Its line.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {} {}\n", self.size, self.next, STANDARD.encode(self.root))
    }

    fn of(line: &str) -> Option<Self> {
        let mut parts = line.split(' ');
        let (size, next) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let root = STANDARD.decode(parts.next()?).ok()?.try_into().ok()?;
        parts.next().is_none().then_some(Self { size, next, root })
    }
}

/// Checkpoints, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History(Vec<Mark>);

impl History {
    /// Reads lines; a last one that was cut off was not to be relied on yet. `None` when it holds anything else, or goes
    /// back.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        let mut history = Self::default();
        for line in whole.lines() {
            history.push(Mark::of(line)?).then_some(())?;
        }
        Some(history)
    }

    /// All lines.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, mark| {
            let _ = write!(text, "{}", mark.line());
            text
        })
    }

    /// Adds one; whether it goes on from the last, or is the last once more.
    pub fn push(&mut self, mark: Mark) -> bool {
        match self.0.last() {
            Some(last) if *last == mark => true,
            Some(last) if last.size >= mark.size || last.next >= mark.next => false,
            _ => {
                self.0.push(mark);
                true
            }
        }
    }

    /// The one of that size.
    #[must_use]
    pub fn at(&self, size: u64) -> Option<&Mark> {
        let found = self.0.binary_search_by_key(&size, |mark| mark.size);
        found.ok().and_then(|index| self.0.get(index))
    }

    /// The newest.
    #[must_use]
    pub fn newest(&self) -> Option<&Mark> {
        self.0.last()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets what is older than that size.
    pub fn confirmed(&mut self, size: u64) {
        self.0.retain(|mark| mark.size >= size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(size: u64) -> Mark {
        Mark { size, next: size + 2, root: [3; 32] }
    }

    #[test]
    fn marks_come_back_in_order_and_a_torn_one_is_left_out() {
        let mut history = History::default();
        assert!([1, 5, 5, 9].into_iter().all(|size| history.push(mark(size))));
        assert!(!history.push(mark(5)) && !history.push(Mark { root: [4; 32], ..mark(9) }));
        let text = history.text();
        assert_eq!(History::read(&text).as_ref(), Some(&history));
        assert_eq!((history.len(), history.at(5), history.at(6)), (3, Some(&mark(5)), None));
        assert_eq!(History::read(&text[..text.len() - 3]).unwrap().newest(), Some(&mark(5)));
        assert_eq!(History::read("x\n"), None);
        assert_eq!(History::read(&format!("{}{}", mark(5).line(), mark(1).line())), None);
        history.confirmed(5);
        assert_eq!((history.len(), history.at(1)), (2, None));
    }
}

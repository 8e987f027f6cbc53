//! Which principals are one person: lines of the list of signers that share a key or a name. This depends on the list
//! alone and not on who approved, so one more approval never makes two people one.

use std::collections::HashMap;

use super::super::signers::Signers;

/// Somebody. Two principals of one person are equal here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Person {
    /// Somebody with a line, by number.
    Listed(usize),
    /// Somebody without one, by name.
    Other(String),
}

/// Who is who.
#[derive(Clone, Debug, Default)]
pub struct People {
    of: HashMap<String, usize>,
}

impl People {
    /// The people of a list.
    #[must_use]
    pub fn of(signers: &Signers) -> Self {
        let mut groups = Groups::default();
        let mut of: HashMap<String, usize> = HashMap::new();
        let mut keys: HashMap<String, usize> = HashMap::new();
        for entry in signers.entries() {
            let key = *keys.entry(entry.fingerprint()).or_insert_with(|| groups.add());
            for principal in &entry.principals {
                let name = *of.entry(principal.to_lowercase()).or_insert_with(|| groups.add());
                groups.join(key, name);
            }
        }
        of.values_mut().for_each(|number| *number = groups.root(*number));
        Self { of }
    }

    /// Who a name is: a principal, or a mail address in a commit. Capitals don't matter.
    #[must_use]
    pub fn person(&self, name: &str) -> Person {
        let name = name.to_lowercase();
        self.of.get(&name).map_or(Person::Other(name), |number| Person::Listed(*number))
    }
}

/// Numbers in groups that join.
#[derive(Default)]
struct Groups(Vec<usize>);

impl Groups {
    fn add(&mut self) -> usize {
        self.0.push(self.0.len());
        self.0.len() - 1
    }

    fn root(&self, mut number: usize) -> usize {
        while self.0[number] != number {
            number = self.0[number];
        }
        number
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other)] = one.min(other);
    }
}

//! OpenPGP, where the program was built without it: its keys are refused, and so are its signatures.

use std::fmt;

use super::{commit::Commit, signature::Refusal};

/// There is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) principals: Vec<String>,
    never: std::convert::Infallible,
}

impl Key {
    pub(super) fn fingerprint(&self) -> &str {
        match self.never {}
    }
}

impl fmt::Display for Key {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.never {}
    }
}

pub(super) fn keys(_: &str) -> Result<Vec<Key>, String> {
    Err("this program was built without OpenPGP (the cargo feature `openpgp`)".to_owned())
}

pub(super) fn verify<'s, E>(
    _: &Commit,
    _: &[u8],
    _: Option<i64>,
    _: impl Iterator<Item = (&'s E, &'s Key)>,
) -> Result<Vec<&'s E>, Refusal> {
    Err(Refusal::Unsupported("OpenPGP"))
}

//! Why nothing is cosigned, and how the agent learns of it. Pure.

use crate::api::conditions::reasons;
use crate::audit::log::note::Note;
use crate::store::error::StoreError;
use crate::validate::text::sanitize;

/// Where a refusal lies in a stream's folder. It ends like the cosigned checkpoint: what the archive's policies let a
/// witness write and an agent's reader read. Nothing there is evidence.
pub const REFUSAL: &str = "refused/checkpoint";
/// The first line of a refusal. The second isn't a number, so that the witness' signature below it is under no checkpoint.
const HEAD: &str = "tenantry.dev/audit/refusal";
/// Longest reason, in characters.
const MOST: usize = 1000;

/// What a witness says of a stream that it doesn't cosign any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stream's origin.
    pub origin: String,
    /// Why.
    pub said: String,
}

impl Refusal {
    /// As a note, to be signed.
    #[must_use]
    pub fn note(&self) -> Note {
        Note::new(format!("{HEAD}\n{}\n{}\n", self.origin, sanitize(&self.said, MOST)))
    }

    /// What a note says, if it is a refusal.
    #[must_use]
    pub fn of(note: &Note) -> Option<Self> {
        let mut lines = note.text().lines();
        let (head, origin, said) = (lines.next()?, lines.next()?, lines.next()?);
        let whole = head == HEAD && lines.next().is_none();
        whole.then(|| Self { origin: origin.to_owned(), said: said.to_owned() })
    }
}

/// What keeps the witness from cosigning a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The archive isn't what the agent signed, or not what was cosigned before.
    #[error(
        "{path}: {said}; nothing of this stream is cosigned any more. Keep the bucket as it is, and run `tenantry audit \
         verify` on it: it names all that is wrong"
    )]
    Refused {
        /// The object.
        path: String,
        /// What is wrong with it.
        said: String,
    },
    /// The archive can't be read; the next round tries again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The witness' own memory can't be used.
    #[error("{0}; nothing is cosigned without it")]
    Memory(String),
}

impl Trouble {
    /// Reason constant.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused { .. } => reasons::WITNESS_REFUSED,
            Self::Store(_) => reasons::SINK_FAILING,
            Self::Memory(_) => reasons::SPOOL_DAMAGED,
        }
    }
}

/// A refusal.
pub(super) fn refused(path: impl Into<String>, said: impl std::fmt::Display) -> Trouble {
    Trouble::Refused { path: path.into(), said: said.to_string() }
}

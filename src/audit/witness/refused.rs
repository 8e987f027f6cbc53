//! Why nothing is cosigned. Pure.

use crate::api::conditions::reasons;
use crate::store::error::StoreError;

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

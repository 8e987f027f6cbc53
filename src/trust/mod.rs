//! Who signed a commit, and whether that is enough. Pure.
//!
//! - [`signers`]: who may sign, in OpenSSH's allowed-signers format
//! - [`commit`]: what a commit says, and which of its bytes were signed
//! - [`signature`]: one commit → who signed it, or why nobody did
//! - `openpgp`: the same for OpenPGP's keys and signatures
//! - [`history`]: the new commits of a branch → the first that must not pass
//! - [`approval`]: who approved a change, and whether that is enough
//!
//! Nothing here reads a repository or the cluster: raw bytes come in, names and reasons go out. Signatures of a
//! kind that is not checked are refused (`UnsupportedSignature`), never taken for unsigned or for good.

pub mod approval;
pub mod commit;
pub mod history;
#[cfg(feature = "openpgp")]
mod openpgp;
#[cfg(not(feature = "openpgp"))]
#[path = "openpgp/none.rs"]
mod openpgp;
pub mod signature;
pub mod signers;
mod window;

pub use commit::Commit;
pub use history::{Mode, Refused, Rules, Signed, judge};
pub use signature::Refusal;
pub use signers::Signers;
pub(crate) use signers::admits;

#[cfg(test)]
mod kit;

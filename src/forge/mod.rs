//! The forge that hosts a repository: GitHub, GitLab, Gitea or Forgejo. Open pull requests and their approvals are
//! read; a comment and commit statuses are written. Git itself is none of this room's business.
//!
//! ```text
//! what is wanted ─► Forge: a call as data ─► http ─► answer ─► Forge: plain values
//! ```
//!
//! - [`types`], [`call`], [`error`]: pure; what is asked and answered, and what can go wrong
//! - [`github`], [`gitlab`], [`gitea`]: pure; how each forge spells it, behind the one trait [`Forge`]
//! - [`place`], [`comment`], [`app`]: pure; where the API is, what a comment may hold, a GitHub App's key
//! - [`http`], [`tokens`], [`client`]: effects; a call with its deadline, installation tokens, what callers use
//!
//! The outbox has no memory of its own: what is on the forge is read, compared with what should be there, and written
//! only where it differs. So a crash between two writes costs another look, never a second comment.

pub mod app;
pub mod call;
pub mod client;
pub mod comment;
pub mod error;
pub mod gitea;
pub mod github;
pub mod gitlab;
pub mod http;
pub mod place;
pub mod tokens;
pub mod types;

pub use client::{Client, Wrote};
pub use error::ForgeError;
pub use types::{Brought, Forge, ForgeApproval, Pull, State, Status};

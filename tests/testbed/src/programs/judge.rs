//! Somebody else's reading of NetworkPolicies.

use std::path::PathBuf;

use super::{Recipe, find_or_build, small};
use crate::error::Result;

const CYCLONUS: Recipe = small("cyclonus", "cyclonus (what network policies mean)");

/// Which traffic NetworkPolicies let through, by cyclonus' own code: `tests/programs/cyclonus`.
///
/// # Errors
/// Go is missing, or the build fails.
pub fn cyclonus() -> Result<PathBuf> {
    find_or_build(&CYCLONUS)
}

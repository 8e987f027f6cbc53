//! What holds for every Tenant, not only for those that somebody thought of.

#![allow(missing_docs, reason = "the names of tests are their documentation")]

mod approvals;
mod audit;
mod backup;
mod change;
mod desired;
mod generate;
mod plan;
mod status;
mod values;
mod waves;

use proptest::prelude::ProptestConfig;

/// Many cases, and nothing left behind in the repository.
fn many(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

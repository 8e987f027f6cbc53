//! What is known of one tenant's backups, for its status. Pure.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{
    decide::Decision,
    known::{Run, Settings, Store},
};
use crate::store::verdict::Judgement;

/// What is known of one tenant's backups.
#[derive(Clone, Debug)]
pub struct View {
    /// What shall be.
    pub settings: Arc<Settings>,
    /// The last look into the store.
    pub store: Option<Arc<Store>>,
    /// What was decided.
    pub decision: Decision,
    /// Its Jobs.
    pub runs: Vec<Run>,
    /// Message and line of the log, by Job that has ended.
    pub words: BTreeMap<String, (String, String)>,
    /// How many restore points are gone from the store though they are younger than they may go, by database.
    pub gone_early: BTreeMap<String, u32>,
    /// Share of a repository's bytes that is under Object Lock, in percent, by generation.
    pub locked: BTreeMap<u32, u32>,
    /// What of a drill is still there though it had to end long ago, and what helps; empty where nothing is.
    pub leak: String,
    /// Why a run couldn't begin; empty where all could.
    pub problem: String,
    /// What runs of volumes made and nobody could remove: kind and name.
    pub left: Vec<String>,
    /// Runs have the Platform's own credentials: what keeps tenants apart is their keys.
    pub shared_credentials: bool,
    /// What was found of its buckets of files, by name, and when.
    pub buckets: BTreeMap<String, (Judgement, Timestamp)>,
}

impl View {
    /// Whether a status made of the other one says nothing else.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.decision == other.decision
            && self.runs == other.runs
            && self.words == other.words
            && self.gone_early == other.gone_early
            && self.locked == other.locked
            && self.problem == other.problem
            && self.leak == other.leak
            && self.left == other.left
            && self.buckets == other.buckets
            && self.shared_credentials == other.shared_credentials
            && self.store.as_ref().map(|one| one.observed_at)
                == other.store.as_ref().map(|one| one.observed_at)
    }
}

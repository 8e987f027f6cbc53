//! Why something isn't done now, in words. Pure.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::record;

/// Reasons that aren't those of a run. Conditions show the same words; they are API.
pub mod reasons {
    /// Nobody has looked into the store for a while.
    pub const STORE_UNKNOWN: &str = "StoreUnknown";
    /// Nothing shows that the days between have been.
    pub const CLOCK_UNPROVEN: &str = "ClockUnproven";
    /// More would be removed at once than may be.
    pub const MASS_DELETION_HELD: &str = "MassDeletionHeld";
    /// Tries of this slot are used up.
    pub const GIVEN_UP: &str = "GivenUp";
    /// Another run has to end first.
    pub const BUSY: &str = "Busy";
    /// No run filled a slot.
    pub const MISSED_SLOT: &str = "MissedSlot";
}

/// Why something isn't done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Nobody has looked into the store lately: what it holds isn't known.
    StoreUnknown {
        /// When somebody did, by our clock.
        seen: Option<Timestamp>,
    },
    /// The store's clock and ours are too far apart.
    ClockSkew {
        /// How far the store's is before ours.
        ahead: SignedDuration,
    },
    /// Since the newest object in the store so much time has gone by that it may be the clock alone.
    ClockUnproven {
        /// When that object was stored.
        newest: Option<Timestamp>,
    },
    /// More would expire at once than may.
    MassDeletion {
        /// The repository's generation.
        generation: u32,
        /// Restore points that have expired.
        points: usize,
        /// Most in an hour.
        most: u32,
        /// The annotation's value that lets them go.
        accept: Timestamp,
    },
    /// Every try of the slot has failed.
    GivenUp {
        /// The last.
        run: String,
        /// Why it failed.
        reason: String,
    },
    /// Another run has to end first.
    Busy {
        /// Its Job.
        run: String,
    },
}

impl Hold {
    /// The reason constant.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::StoreUnknown { .. } => reasons::STORE_UNKNOWN,
            Self::ClockSkew { .. } => record::reasons::CLOCK_SKEW,
            Self::ClockUnproven { .. } => reasons::CLOCK_UNPROVEN,
            Self::MassDeletion { .. } => reasons::MASS_DELETION_HELD,
            Self::GivenUp { .. } => reasons::GIVEN_UP,
            Self::Busy { .. } => reasons::BUSY,
        }
    }
}

/// The annotation that lets more expire at once: its value is a time.
pub const ACCEPT_DELETIONS: &str = "tenantry.dev/accept-deletions";

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StoreUnknown { seen: None } => {
                write!(f, "nobody has looked into the store yet; StoreReady on the Platform says why")
            }
            Self::StoreUnknown { seen: Some(seen) } => {
                write!(f, "the store was last looked into at {seen}; StoreReady on the Platform says why")
            }
            Self::ClockSkew { ahead } => write!(
                f,
                "the store's clock is {} s {} ours: nothing begins and nothing expires; set the clock of the operator's node, or of the store",
                ahead.as_secs().abs(),
                if ahead.is_negative() { "behind" } else { "before" }
            ),
            Self::ClockUnproven { newest: None } => {
                write!(f, "the store shows no time: nothing expires until something is stored there")
            }
            Self::ClockUnproven { newest: Some(newest) } => write!(
                f,
                "nothing was stored since {newest}: nothing expires, since the clock alone may have moved; it goes on after the next run"
            ),
            Self::MassDeletion { generation, points, most, accept } => write!(
                f,
                "{points} restore points of repository g{generation:04} have expired, and {most} may be removed in an hour; all stay. If that is meant, annotate the Tenant with {ACCEPT_DELETIONS}={accept}"
            ),
            Self::GivenUp { run, reason } => {
                write!(
                    f,
                    "every try of this slot failed, the last ({run}) with {reason}; the next slot is waited for"
                )
            }
            Self::Busy { run } => write!(f, "{run} has to end first"),
        }
    }
}

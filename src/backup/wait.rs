//! Why a drill or a restore that somebody asked for doesn't begin, in words. Pure.

use std::fmt;

use jiff::Timestamp;

use crate::api::conditions::reasons;

use super::{hold::Hold, volumes::name_of};

/// Why it doesn't begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Nobody has that name.
    NoTenant(String),
    /// The Tenant, and the Platform that it names and that isn't there.
    NoPlatform(String, String),
    /// The Tenant, and its Platform, which has no backups.
    NoBackups(String, String),
    /// The Tenant, and what is wrong with its spec, or its Platform's.
    Wrong(String, String),
    /// The Tenant, and the database, or the volume by its [`key`](super::volumes::key), that it doesn't list.
    NotListed(String, String),
    /// `at` can't be read.
    BadTime(String),
    /// Nothing of the Tenant's begins.
    Held(Hold),
    /// The database has no restore point.
    NoPoint(String),
    /// All of the database's restore points are younger than was asked for; the oldest.
    NoneSoOld(String, Timestamp),
    /// The operator can't begin runs of the Tenant's.
    Stuck(String),
}

impl Wait {
    /// The reason constant.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoTenant(_) => reasons::TENANT_NOT_FOUND,
            Self::NoPlatform(..) => reasons::PLATFORM_NOT_FOUND,
            Self::NoBackups(..) => reasons::NO_BACKUPS,
            Self::Wrong(..) | Self::NotListed(..) | Self::BadTime(_) => reasons::INVALID_SPEC,
            Self::Held(hold) => hold.reason(),
            Self::NoPoint(_) => reasons::NO_BACKUP_YET,
            Self::NoneSoOld(..) => reasons::NO_SUCH_POINT,
            Self::Stuck(_) => reasons::INPUT_UNREADABLE,
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTenant(tenant) => write!(
                f,
                "there is no Tenant {tenant}; make this anew with the right name in spec.tenantRef.name (kubectl get tenants)"
            ),
            Self::NoPlatform(tenant, platform) => {
                write!(
                    f,
                    "Tenant {tenant} names Platform {platform}, which isn't there; it begins when there is one"
                )
            }
            Self::NoBackups(tenant, platform) => write!(
                f,
                "Platform {platform} of Tenant {tenant} has no spec.backups: there is nothing to restore; it begins when there is a restore point"
            ),
            Self::Wrong(tenant, problem) => {
                write!(f, "Tenant {tenant} can't be worked on: {problem}; mend it, and this begins")
            }
            Self::NotListed(tenant, subject) => {
                let (what, list) = match name_of(subject) {
                    Some(volume) => (format!("volume {volume}"), "volumes"),
                    None => (format!("database {subject}"), "databases"),
                };
                write!(
                    f,
                    "Tenant {tenant} lists no {what} in spec.{list}; list it again to restore what was kept, or make this anew with the right name"
                )
            }
            Self::BadTime(text) if text.is_empty() => {
                write!(f, "point: At needs spec.at, an RFC 3339 time as 2026-11-21T09:00:00Z; make this anew")
            }
            Self::BadTime(text) => {
                write!(f, "spec.at ({text}) is no RFC 3339 time as 2026-11-21T09:00:00Z; make this anew")
            }
            Self::Held(hold) => hold.fmt(f),
            Self::NoPoint(subject) => {
                let subject = name_of(subject).unwrap_or(subject);
                write!(f, "{subject} has no restore point yet; it begins when there is one")
            }
            Self::NoneSoOld(subject, oldest) => {
                let subject = name_of(subject).unwrap_or(subject);
                write!(
                    f,
                    "{subject} has no restore point so old; the oldest is of {oldest}: make this anew with a later time"
                )
            }
            Self::Stuck(problem) => write!(f, "it can't begin now: {problem}; it is tried again"),
        }
    }
}

//! What we say to forges, and what we make of their answers: against their documented APIs over real HTTP, and
//! against everything that a server can do instead of answering.

#![allow(missing_docs, reason = "the names of tests are their documentation")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod app;
mod calls;
mod contract;
#[path = "../support/forge.rs"]
mod fake;
mod faults;
mod real;

use fake::{Fake, Kind, REPOSITORY, TOKEN};
use tenantry::api::forge::ForgeKind;
use tenantry::forge::{
    Client,
    http::{Http, Token},
    place::dialect,
    tokens::Access,
};

/// Every forge that is spoken to.
pub(crate) const KINDS: [Kind; 3] = [Kind::GitHub, Kind::GitLab, Kind::Gitea];

pub(crate) fn spoken(kind: Kind) -> ForgeKind {
    match kind {
        Kind::GitHub => ForgeKind::GitHub,
        Kind::GitLab => ForgeKind::GitLab,
        Kind::Gitea => ForgeKind::Gitea,
    }
}

/// A client with this token.
pub(crate) fn client(kind: Kind, http: Http, token: &str) -> Client {
    let access = Access { token: Token::new(token).expect("a token"), me: None };
    Client::new(http, dialect(spoken(kind), REPOSITORY.into()), access)
}

/// A forge, and a client for it.
pub(crate) async fn pair(kind: Kind) -> (Fake, Client) {
    let fake = Fake::start(kind).await.expect("a forge");
    let http = Http::new(&fake.base, None).expect("a base");
    let client = client(kind, http, TOKEN);
    (fake, client)
}

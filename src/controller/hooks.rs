//! Push hooks, taken to the source loop; and the keys that they, and the tokens that they carry, are signed with.

use std::{sync::Arc, time::Instant};

use tracing::{debug, warn};

use crate::{
    api::{
        Platform,
        hook::{Hook, Oidc},
    },
    hook::{
        issuer,
        keep::{self, Kept},
        server::Gate,
        signature::Key,
        token::Trusted,
    },
    observe::secrets::{self, SecretError},
    runtime::{backoff, call::CallError, lease::Leadership},
};

use super::{context::Context, outcome::Next};

/// The keys of the Secrets.
const TOKEN: &str = "token";
const CA: &str = "ca.crt";

/// What the listener asks: who leads, with what a Platform's hooks are signed, and a look.
#[derive(Clone)]
pub struct Hooks {
    /// What the drivers share.
    pub ctx: Context,
    /// Whether this replica looks at repositories at all.
    pub leadership: Leadership,
}

impl Gate for Hooks {
    fn leads(&self) -> bool {
        self.leadership.is_leader()
    }

    fn key(&self, platform: &str) -> Option<Arc<Key>> {
        self.ctx.board().hook_keys.get(platform).cloned()
    }

    fn trusted(&self, platform: &str) -> Option<Arc<Trusted>> {
        self.ctx.board().issuers.get(platform)?.trusted(Instant::now())
    }

    fn unknown_key(&self, platform: &str) {
        let wants = |kept: &mut Kept| kept.want(Instant::now());
        if self.ctx.board().issuers.get_mut(platform).is_some_and(wants) {
            self.ctx.platforms.add_urgent(platform.to_owned());
        }
    }

    fn ask(&self, platform: &str) {
        debug!(platform, "push hook");
        if let Some(wake) = self.ctx.board().wake.get(platform) {
            wake.ask();
        }
        // It may be about a pull request: what it says isn't read.
        if let Some(wake) = self.ctx.board().forges.get(platform) {
            wake.ask();
        }
    }
}

fn hook(platform: &Platform) -> Option<&Hook> {
    platform.spec.source.as_ref()?.git.hook.as_ref()
}

/// Reads the key of a Platform's hooks: beforehand, so that a hook costs no call, and takes the same time
/// whether there is such a Platform or not. Nothing watches Secrets, so they are read again now and then.
pub(super) async fn read_key(ctx: &Context, name: &str, platform: &Platform) -> Next {
    let Some(secret) = hook(platform).and_then(|hook| hook.secret_ref.as_ref()) else {
        ctx.board().hook_keys.remove(name);
        return Next::Rest;
    };
    match key(ctx, &secret.name).await {
        Ok(key) => {
            ctx.board().hook_keys.insert(name.to_owned(), Arc::new(key));
            Next::After(secrets::REFRESH)
        }
        Err(problem) => {
            warn!(platform = name, %problem, "push hooks are refused");
            // An API server that doesn't answer takes nothing back; a Secret that is gone does.
            let says_nothing =
                |error: &CallError| !matches!(error, CallError::NotFound(_) | CallError::Forbidden(_));
            let silent = matches!(&problem, SecretError::Unreadable { source, .. } if says_nothing(source));
            if !silent {
                ctx.board().hook_keys.remove(name);
            }
            Next::Retry
        }
    }
}

async fn key(ctx: &Context, name: &str) -> Result<Key, SecretError> {
    let token = value(ctx, name, TOKEN, "has no key token; put the token of the hook there").await?;
    Key::new(&token).map_err(|problem| wrong(ctx, name, problem))
}

async fn value(ctx: &Context, name: &str, key: &str, missing: &'static str) -> Result<String, SecretError> {
    let mut texts = secrets::texts(&ctx.client, &ctx.namespace, name).await?;
    texts.remove(key).ok_or_else(|| wrong(ctx, name, missing))
}

fn wrong(ctx: &Context, name: &str, problem: &'static str) -> SecretError {
    SecretError::Wrong { namespace: ctx.namespace.to_string(), name: name.to_owned(), problem }
}

/// Asks the issuer of a Platform's tokens for its keys, if it is time for that. The pass doesn't wait for it: an issuer
/// that is slow holds up nothing.
pub(super) fn ask_issuer(ctx: &Context, name: &str, platform: &Platform) -> Next {
    let mut board = ctx.board();
    let Some(oidc) = hook(platform).and_then(|hook| hook.oidc.as_ref()) else {
        board.issuers.remove(name);
        return Next::Rest;
    };
    if !board.issuers.get(name).is_some_and(|kept| kept.is_for(oidc)) {
        board.issuers.insert(name.to_owned(), Kept::new(oidc.clone()));
    }
    let begun = board.issuers.get_mut(name).map(|kept| kept.begin(Instant::now()));
    drop(board);
    let wait = match begun {
        Some(Err(wait)) => wait,
        // Also when it fails: only then again.
        _ => {
            tokio::spawn(fetch(ctx.clone(), name.to_owned(), oidc.clone()));
            keep::FLOOR
        }
    };
    Next::After(backoff::stretched(wait, backoff::unit()))
}

/// Fetches an issuer's keys, and keeps them where the Platform still asks for them.
async fn fetch(ctx: Context, name: String, oidc: Oidc) {
    let trusted = match keys(&ctx, &oidc).await {
        Ok(trusted) => trusted,
        Err(problem) => {
            warn!(platform = name, problem, "the keys of the issuer of tokens are not read");
            ctx.metrics.issuer("failed");
            return;
        }
    };
    ctx.metrics.issuer("read");
    if let Some(kept) = ctx.board().issuers.get_mut(&name).filter(|kept| kept.is_for(&oidc)) {
        kept.fetched(trusted, Instant::now());
    }
}

async fn keys(ctx: &Context, oidc: &Oidc) -> Result<Trusted, String> {
    let ca = match &oidc.ca {
        Some(secret) => {
            let ca = value(ctx, &secret.name, CA, "has no key ca.crt").await;
            Some(ca.map_err(|error| error.to_string())?)
        }
        None => None,
    };
    let keys = issuer::keys(oidc, ca).await.map_err(|error| error.to_string())?;
    Trusted::new(oidc.clone(), keys).map_err(|problem| format!("spec.source.git.hook.oidc {problem}"))
}

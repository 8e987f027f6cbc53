//! Push hooks, taken to the source loop; and the keys that they are signed with.

use std::sync::Arc;

use tracing::{debug, warn};

use crate::{
    api::Platform,
    hook::{server::Gate, signature::Key},
    observe::secrets::{self, SecretError},
    runtime::{call::CallError, lease::Leadership},
};

use super::{context::Context, outcome::Next};

/// The Secret's key.
const TOKEN: &str = "token";

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

/// Reads the key of a Platform's hooks: beforehand, so that a hook costs no call, and takes the same time
/// whether there is such a Platform or not. Nothing watches Secrets, so they are read again now and then.
pub(super) async fn read_key(ctx: &Context, name: &str, platform: &Platform) -> Next {
    let hook = platform.spec.source.as_ref().and_then(|source| source.git.hook.as_ref());
    let Some(hook) = hook else {
        ctx.board().hook_keys.remove(name);
        return Next::Rest;
    };
    match key(ctx, &hook.secret_ref.name).await {
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
    let texts = secrets::texts(&ctx.client, &ctx.namespace, name).await?;
    let wrong =
        |problem| SecretError::Wrong { namespace: ctx.namespace.to_string(), name: name.to_owned(), problem };
    let token = texts.get(TOKEN).ok_or_else(|| wrong("has no key token; put the token of the hook there"))?;
    Key::new(token).map_err(wrong)
}

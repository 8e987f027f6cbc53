//! From a Platform's Secret to a client: kept while nothing of it changes.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    api::{
        forge::{Forge as Spec, ForgeKind},
        platform::GitSource,
    },
    forge::{
        Client, ForgeError,
        http::{Http, Token},
        place::{self, Place},
        tokens::{Access as Given, Credentials},
    },
    observe::secrets,
};

use super::super::context::Context;

/// The client of one source, and what it was made of.
#[derive(Debug, Default)]
pub(in crate::controller) struct Access {
    http: Option<(String, Option<String>, Http)>,
    client: Option<(Token, Arc<Client>)>,
}

impl Access {
    /// The client for a source's forge. The Secret is read each time: one that is gone ends our access.
    pub(in crate::controller) async fn client(
        &mut self,
        ctx: &Context,
        git: &GitSource,
    ) -> Result<Arc<Client>, ForgeError> {
        let Some(forge) = &git.forge else {
            return Err(ForgeError::Credentials { problem: "the Platform names no forge".into() });
        };
        let Place { base, repository } = place::place(git, forge)?;
        let http = self.http(&base, ca(ctx, git).await?)?;
        let given = given(ctx, forge, &http).await?;
        if let Some((token, client)) = &self.client
            && *token == given.token
        {
            return Ok(Arc::clone(client));
        }
        let token = given.token.clone();
        let client = Arc::new(Client::new(http, place::dialect(forge.kind, repository), given));
        self.client = Some((token, Arc::clone(&client)));
        Ok(client)
    }

    fn http(&mut self, base: &str, ca: Option<String>) -> Result<Http, ForgeError> {
        if let Some((known, known_ca, http)) = &self.http
            && (known.as_str(), known_ca) == (base, &ca)
        {
            return Ok(http.clone());
        }
        let http = Http::new(base, ca.as_deref())?;
        self.client = None;
        self.http = Some((base.to_owned(), ca, http.clone()));
        Ok(http)
    }
}

async fn given(ctx: &Context, forge: &Spec, http: &Http) -> Result<Given, ForgeError> {
    let name = &forge.credentials.name;
    let values = texts(ctx, name).await?;
    let credentials = Credentials::parse(&values).map_err(|problem| wrong(ctx, name, problem))?;
    if matches!(credentials, Credentials::App(..)) && forge.kind != ForgeKind::GitHub {
        return Err(wrong(
            ctx,
            name,
            "it holds a GitHub App, and spec.source.git.forge.kind is another; put a token there",
        ));
    }
    let tokens = ctx.board().tokens.clone();
    tokens.access(http, &credentials).await
}

/// The token with which a GitHub App fetches.
pub(in crate::controller) async fn git_token(
    ctx: &Context,
    git: &GitSource,
    values: &BTreeMap<String, String>,
) -> Result<Token, ForgeError> {
    let named = git.forge.as_ref().filter(|forge| forge.kind == ForgeKind::GitHub);
    let base = match named.and_then(|forge| forge.url.clone()) {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => place::base(&git.url, ForgeKind::GitHub)?,
    };
    let problem = |problem: &str| ForgeError::Credentials { problem: problem.to_owned() };
    let credentials = Credentials::parse(values).map_err(problem)?;
    let http = Http::new(&base, ca(ctx, git).await?.as_deref())?;
    let tokens = ctx.board().tokens.clone();
    tokens.access(&http, &credentials).await.map(|access| access.token)
}

async fn ca(ctx: &Context, git: &GitSource) -> Result<Option<String>, ForgeError> {
    let Some(secret) = &git.ca else { return Ok(None) };
    let mut values = texts(ctx, &secret.name).await?;
    values.remove("ca.crt").map(Some).ok_or_else(|| wrong(ctx, &secret.name, "it has no key ca.crt"))
}

async fn texts(ctx: &Context, name: &str) -> Result<BTreeMap<String, String>, ForgeError> {
    let read = secrets::texts(&ctx.client, &ctx.namespace, name).await;
    read.map_err(|error| ForgeError::Credentials { problem: error.to_string() })
}

fn wrong(ctx: &Context, name: &str, problem: &str) -> ForgeError {
    ForgeError::Credentials { problem: format!("Secret {}/{name}: {problem}", ctx.namespace) }
}

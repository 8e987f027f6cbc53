//! Who we are to a forge: a token from a Secret, or a GitHub App's, fetched before the old one ends.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{
    app::App,
    call::{Call, Verb, text},
    error::ForgeError,
    http::{Http, Token},
};

/// A token is replaced this long before it ends.
const EARLY: Duration = Duration::from_secs(300);
/// A token is kept no longer than this, whatever the forge and our clock say: GitHub's live an hour.
const LONGEST: Duration = Duration::from_secs(55 * 60);

/// What a Secret holds.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A token.
    Token(Token),
    /// A GitHub App.
    App(Arc<App>, Fingerprint),
}

/// Digest of a private key: a token is only for who has the key.
type Fingerprint = [u8; 32];

impl Credentials {
    /// Reads a Secret's values.
    ///
    /// # Errors
    /// What is wrong with them, without showing them.
    pub fn parse(values: &BTreeMap<String, String>) -> Result<Self, &'static str> {
        if let Some(token) = values.get("token") {
            return Token::new(token).map(Self::Token);
        }
        match (values.get("appId"), values.get("installationId"), values.get("privateKey")) {
            (Some(id), Some(installation), Some(key)) => {
                let fingerprint = Sha256::digest(key.as_bytes()).into();
                Ok(Self::App(Arc::new(App::new(id, installation, key)?), fingerprint))
            }
            _ => Err("it needs the key token, or appId, installationId and privateKey"),
        }
    }
}

/// Who we are, ready for use.
#[derive(Clone, Debug)]
pub struct Access {
    /// The token.
    pub token: Token,
    /// Our name on the forge, where it is known without asking.
    pub me: Option<String>,
}

/// Installation tokens that are still good; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Arc<Mutex<HashMap<Key, Slot>>>);

type Key = (String, String, u64, Fingerprint);

/// The place of one token: who comes second waits for it instead of asking for another.
type Slot = Arc<tokio::sync::Mutex<Option<Kept>>>;

#[derive(Clone, Debug)]
struct Kept {
    access: Access,
    until: Instant,
}

impl Kept {
    fn is_good(&self) -> bool {
        self.until > Instant::now()
    }
}

impl Tokens {
    /// What to send to a forge.
    ///
    /// # Errors
    /// GitHub gives no token.
    pub async fn access(&self, http: &Http, credentials: &Credentials) -> Result<Access, ForgeError> {
        let (app, fingerprint) = match credentials {
            Credentials::Token(token) => return Ok(Access { token: token.clone(), me: None }),
            Credentials::App(app, fingerprint) => (app, fingerprint),
        };
        let slot = self.slot((http.base().to_owned(), app.id.clone(), app.installation, *fingerprint));
        let mut slot = slot.lock().await;
        if let Some(kept) = slot.as_ref().filter(|kept| kept.is_good()) {
            return Ok(kept.access.clone());
        }
        let (access, life) = match fetch(http, app).await {
            // By now the answer has told the forge's time: ours may be wrong.
            Err(ForgeError::Refused { status: 401, .. }) => fetch(http, app).await?,
            other => other?,
        };
        let until = Instant::now() + life.saturating_sub(EARLY).min(LONGEST);
        *slot = Some(Kept { access: access.clone(), until });
        Ok(access)
    }

    fn slot(&self, key: Key) -> Slot {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lives =
            |slot: &Slot| slot.try_lock().map_or(true, |kept| kept.as_ref().is_some_and(Kept::is_good));
        // Places that nobody waits at, and that hold nothing of use.
        all.retain(|_, slot| Arc::strong_count(slot) > 1 || lives(slot));
        Arc::clone(all.entry(key).or_default())
    }
}

/// Fetches an installation's token, and the name under which it acts; with how long it lives.
async fn fetch(http: &Http, app: &App) -> Result<(Access, Duration), ForgeError> {
    let statement =
        app.statement(http.now()).map_err(|problem| ForgeError::Credentials { problem: problem.into() })?;
    let authorization = format!("Bearer {statement}");
    let right = "act as this App";
    let unexpected = |path: &str| ForgeError::Unexpected {
        url: format!("{}{path}", http.base()),
        detail: "it is no answer of GitHub's".into(),
    };
    let about = http.send(Call::get("/app".into()), &authorization, right).await?;
    let slug = text(&about.body, "/slug").ok_or_else(|| unexpected("/app"))?;
    let path = format!("/app/installations/{}/access_tokens", app.installation);
    let call = Call::write(Verb::Post, path.clone(), serde_json::json!({}));
    let answer = http.send(call, &authorization, right).await?.body;
    let token = text(&answer, "/token").and_then(|token| Token::new(token).ok());
    let until = text(&answer, "/expires_at").and_then(|at| at.parse::<Timestamp>().ok());
    let (Some(token), Some(until)) = (token, until) else { return Err(unexpected(&path)) };
    let life = Duration::try_from(until.duration_since(http.now())).unwrap_or_default();
    Ok((Access { token, me: Some(format!("{slug}[bot]")) }, life))
}

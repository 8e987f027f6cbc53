//! Credentials for a store. Pure.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

/// What signs requests. `Debug` shows the key's name and no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expires: Option<Timestamp>,
}

/// A part is missing, or can't be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is empty, or holds a character that it can't have")]
pub struct Unusable(pub &'static str);

impl Credentials {
    /// Takes them without the white space around them that files that become Secrets have.
    ///
    /// # Errors
    /// A part can't be one.
    pub fn new(
        access_key_id: &str,
        secret_access_key: &str,
        session_token: Option<&str>,
    ) -> Result<Self, Unusable> {
        let part = |text: &str, name| {
            let text = text.trim();
            let fits =
                !text.is_empty() && text.len() <= 8192 && text.bytes().all(|byte| byte.is_ascii_graphic());
            fits.then(|| text.to_owned()).ok_or(Unusable(name))
        };
        let session_token = session_token.filter(|token| !token.trim().is_empty());
        Ok(Self {
            access_key_id: part(access_key_id, "the access key's id")?,
            secret_access_key: part(secret_access_key, "the secret access key")?,
            session_token: session_token.map(|token| part(token, "the session token")).transpose()?,
            expires: None,
        })
    }

    /// The same, good until then.
    #[must_use]
    pub fn until(self, expires: Timestamp) -> Self {
        Self { expires: Some(expires), ..self }
    }

    /// The key's name: no secret.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// For a file that only a Job reads.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.secret_access_key
    }

    /// See [`Self::expose_secret`].
    #[must_use]
    pub fn expose_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// When they end, where they do.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// Whether they last at least this much longer.
    #[must_use]
    pub fn last(&self, now: Timestamp, span: SignedDuration) -> bool {
        self.expires.is_none_or(|end| end.duration_since(now) >= span)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Credentials");
        shown.field("access_key_id", &self.access_key_id).field("expires", &self.expires);
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let all = Credentials::new("AKIA\n", "canary-secret", Some("canary-token")).unwrap();
        let shown = format!("{all:?}");
        assert!(shown.contains("AKIA") && !shown.contains("canary"), "{shown}");
        assert_eq!(Credentials::new("a", "b c", None).unwrap_err(), Unusable("the secret access key"));
        assert_eq!(Credentials::new("a", "b", Some(" ")).unwrap().expose_token(), None);
    }

    #[test]
    fn they_last_until_their_end() {
        let now: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let hour = SignedDuration::from_hours(1);
        let plain = Credentials::new("a", "b", None).unwrap();
        assert!(plain.last(now, hour));
        assert!(plain.clone().until(now + hour).last(now, hour));
        assert!(!plain.until(now + hour).last(now + SignedDuration::from_secs(1), hour));
    }
}

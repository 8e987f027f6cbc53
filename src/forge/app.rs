//! Who a GitHub App is: a short-lived signed statement, for which GitHub gives an installation's token. Pure.

use aws_lc_rs::{rand::SystemRandom, signature};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::json;

/// How long a statement holds, in seconds: GitHub takes at most ten minutes, by its own clock.
const HOLDS: i64 = 480;
/// How far ahead of GitHub's our clock may be, in seconds.
const AHEAD: i64 = 60;

/// A GitHub App, and where it is installed.
pub struct App {
    /// Its id, or client id.
    pub id: String,
    /// The installation's id.
    pub installation: u64,
    key: signature::RsaKeyPair,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("id", &self.id)
            .field("installation", &self.installation)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Takes the values of a Secret.
    ///
    /// # Errors
    /// Which value is wrong, without it.
    pub fn new(id: &str, installation: &str, key: &str) -> Result<Self, &'static str> {
        let id = id.trim().to_owned();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '.';
        if id.is_empty() || id.len() > 64 || !id.chars().all(word) {
            return Err("appId is no id of a GitHub App; its settings show it");
        }
        let installation = installation.trim().parse();
        let installation = installation.map_err(
            |_| "installationId is no number; the address of the installation's settings ends with it",
        )?;
        let pem = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|_| "privateKey is no private key in PEM; download one from the App's settings")?;
        let key = match &pem {
            PrivateKeyDer::Pkcs1(der) => signature::RsaKeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => signature::RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return Err("privateKey is no RSA key; download one from the App's settings"),
        };
        let key = key.map_err(
            |_| "privateKey is no RSA key of 2048 bits or more; download one from the App's settings",
        )?;
        Ok(Self { id, installation, key })
    }

    /// The statement: a JWT, signed with RS256.
    ///
    /// # Errors
    /// The key can't sign.
    pub fn statement(&self, now: Timestamp) -> Result<String, &'static str> {
        let now = now.as_second();
        let claims = json!({ "iat": now - AHEAD, "exp": now + HOLDS, "iss": self.id });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": "RS256", "typ": "JWT" })), part(&claims));
        let mut bytes = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        self.key
            .sign(&signature::RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut bytes)
            .map_err(|_| "privateKey can't sign")?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes)))
    }
}

#[cfg(test)]
mod tests;

//! Signed notes: c2sp.org/signed-note, with Ed25519 keys and the cosignatures of witnesses (c2sp.org/tlog-cosignature).
//! Pure.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// Longest note that is read, in bytes.
pub const MOST_BYTES: usize = 64 * 1024;
/// Most signatures that are read.
const MOST_SIGNATURES: usize = 64;
const PRIVATE: &str = "PRIVATE+KEY+";

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Notes, as the log itself.
    Log = 1,
    /// Checkpoints that were found to continue the last one, as a witness.
    Witness = 4,
}

/// A key or a note that isn't one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not `name+hash+key`, or its hash is another.
    #[error(
        "not a public key: expected one line NAME+HASH+BASE64, as `tenantry audit keygen` prints it, and found {0}"
    )]
    PublicKey(&'static str),
    /// Not `PRIVATE+KEY+name+hash+key`.
    #[error(
        "not a private key: expected one line PRIVATE+KEY+NAME+HASH+BASE64, as `tenantry audit keygen` writes it"
    )]
    PrivateKey,
    /// Not a note.
    #[error("not a signed note: {0}")]
    Note(&'static str),
}

/// Whose signatures are believed.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    kind: Kind,
    key: [u8; 32],
}

/// Who signs. `Debug` shows no secret.
pub struct PrivateKey {
    public: PublicKey,
    pair: Ed25519KeyPair,
    seed: [u8; 32],
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_string())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("name", &self.public.name).finish_non_exhaustive()
    }
}

/// The line that names the key everywhere.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, hex(self.id()), keyed(self.kind, &self.key))
    }
}

impl PublicKey {
    /// Reads its line.
    ///
    /// # Errors
    /// It isn't one.
    pub fn parse(line: &str) -> Result<Self, Malformed> {
        // Base64 may hold a plus as well.
        let mut parts = line.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Malformed::PublicKey("fewer parts"));
        };
        let (kind, key) = unkeyed(key).ok_or(Malformed::PublicKey("a key that isn't Ed25519"))?;
        let key = Self { name: name.to_owned(), kind, key };
        if !is_name(name) {
            return Err(Malformed::PublicKey("a name with white space or a plus, or none"));
        }
        if id != hex(key.id()) {
            return Err(Malformed::PublicKey(
                "a hash that isn't that of name and key: one of them was changed",
            ));
        }
        Ok(key)
    }

    /// Whom signatures name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The same key under another name: each epoch of a log is a log of its own.
    #[must_use]
    pub fn named(&self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self.clone() }
    }

    fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(self.name.as_bytes())
            .chain_update([b'\n', self.kind as u8])
            .chain_update(self.key)
            .finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.key).verify(message, signature).is_ok()
    }
}

impl PrivateKey {
    /// Of 32 random bytes.
    ///
    /// # Errors
    /// The name is none: white space, a plus, or empty.
    pub fn of_seed(name: &str, kind: Kind, seed: [u8; 32]) -> Result<Self, Malformed> {
        if !is_name(name) {
            return Err(Malformed::PrivateKey);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| Malformed::PrivateKey)?;
        let key = pair.public_key().as_ref().try_into().map_err(|_| Malformed::PrivateKey)?;
        Ok(Self { public: PublicKey { name: name.to_owned(), kind, key }, pair, seed })
    }

    /// Reads its line.
    ///
    /// # Errors
    /// It isn't one.
    pub fn parse(line: &str) -> Result<Self, Malformed> {
        let line = line.trim().strip_prefix(PRIVATE).ok_or(Malformed::PrivateKey)?;
        let mut parts = line.splitn(3, '+');
        let (Some(name), Some(id), Some(seed)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Malformed::PrivateKey);
        };
        let (kind, seed) = unkeyed(seed).ok_or(Malformed::PrivateKey)?;
        let key = Self::of_seed(name, kind, seed)?;
        if hex(key.public.id()) == id { Ok(key) } else { Err(Malformed::PrivateKey) }
    }

    /// Its line, for a file that only its owner reads.
    #[must_use]
    pub fn expose(&self) -> String {
        let public = &self.public;
        format!("{PRIVATE}{}+{}+{}", public.name, hex(public.id()), keyed(public.kind, &self.seed))
    }

    /// What others need.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The same key under another name.
    ///
    /// # Errors
    /// The name is none.
    pub fn named(&self, name: &str) -> Result<Self, Malformed> {
        Self::of_seed(name, self.public.kind, self.seed)
    }

    /// A note with one more signature. `text` ends in a new line. `now` is part of what a witness signs.
    #[must_use]
    pub fn sign(&self, note: Note, now: Timestamp) -> Note {
        let Note { text, mut signatures } = note;
        let bytes = match self.public.kind {
            Kind::Log => self.pair.sign(text.as_bytes()).as_ref().to_vec(),
            Kind::Witness => {
                let time = now.as_second().max(0).unsigned_abs();
                let signature = self.pair.sign(cosigned(time, &text).as_bytes());
                [time.to_be_bytes().as_slice(), signature.as_ref()].concat()
            }
        };
        signatures.push(Signature { name: self.public.name.clone(), id: self.public.id(), bytes });
        Note { text, signatures }
    }
}

/// A text and who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

/// What a key says of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// It signed it. A witness says when.
    Yes(Option<Timestamp>),
    /// It did not.
    No,
    /// A signature bears its name and isn't its own: the text was changed, or another key was used.
    Wrong,
}

impl Note {
    /// A text that nobody signed yet; it must end in a new line.
    #[must_use]
    pub fn new(text: String) -> Self {
        debug_assert!(text.ends_with('\n'), "a note's text ends in a new line");
        Self { text, signatures: Vec::new() }
    }

    /// Reads a note; whose signatures are right isn't asked.
    ///
    /// # Errors
    /// It isn't one.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let wrong = |why| Err(Malformed::Note(why));
        if bytes.len() > MOST_BYTES {
            return wrong("longer than 64 KiB");
        }
        let Ok(all) = std::str::from_utf8(bytes) else { return wrong("not UTF-8") };
        if all.chars().any(|c| c.is_control() && c != '\n') {
            return wrong("control characters in it");
        }
        // The signatures follow the last empty line.
        let Some((text, lines)) = all.rsplit_once("\n\n") else { return wrong("no empty line in it") };
        let Some(lines) = lines.strip_suffix('\n') else { return wrong("cut off") };
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            let Some(signature) = signature(line) else { return wrong("a line that is no signature") };
            signatures.push(signature);
        }
        if signatures.len() > MOST_SIGNATURES {
            return wrong("too many signatures");
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// What was signed, with its last new line.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// As it lies in files.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut all = format!("{}\n", self.text);
        for Signature { name, id, bytes } in &self.signatures {
            let bytes = STANDARD.encode([id.as_slice(), bytes].concat());
            all.push_str(&format!("\u{2014} {name} {bytes}\n"));
        }
        all.into_bytes()
    }

    /// Whether `key` signed it.
    #[must_use]
    pub fn signed(&self, key: &PublicKey) -> Signed {
        let own = self.signatures.iter().filter(|one| one.name == key.name && one.id == key.id());
        let mut found = Signed::No;
        for signature in own {
            found = self.check(key, &signature.bytes);
            if found == Signed::Wrong {
                return found;
            }
        }
        found
    }

    fn check(&self, key: &PublicKey, bytes: &[u8]) -> Signed {
        match key.kind {
            Kind::Log if key.signed(self.text.as_bytes(), bytes) => Signed::Yes(None),
            Kind::Log => Signed::Wrong,
            Kind::Witness => {
                let Some((time, signature)) = bytes.split_first_chunk::<8>() else { return Signed::Wrong };
                let time = u64::from_be_bytes(*time);
                let when = i64::try_from(time).ok().and_then(|time| Timestamp::from_second(time).ok());
                let right = key.signed(cosigned(time, &self.text).as_bytes(), signature);
                when.filter(|_| right).map_or(Signed::Wrong, |when| Signed::Yes(Some(when)))
            }
        }
    }
}

fn cosigned(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

fn signature(line: &str) -> Option<Signature> {
    let (name, bytes) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = STANDARD.decode(bytes).ok()?;
    let (id, bytes) = bytes.split_first_chunk::<4>()?;
    (is_name(name) && !bytes.is_empty()).then(|| Signature {
        name: name.to_owned(),
        id: *id,
        bytes: bytes.to_vec(),
    })
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 512 && !name.contains('+') && !name.contains(char::is_whitespace)
}

fn keyed(kind: Kind, key: &[u8; 32]) -> String {
    STANDARD.encode([&[kind as u8], key.as_slice()].concat())
}

fn unkeyed(text: &str) -> Option<(Kind, [u8; 32])> {
    let bytes = STANDARD.decode(text).ok()?;
    let (kind, key) = bytes.split_first()?;
    let kind = match kind {
        1 => Kind::Log,
        4 => Kind::Witness,
        _ => return None,
    };
    Some((kind, key.try_into().ok()?))
}

fn hex(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

#[cfg(test)]
mod tests;

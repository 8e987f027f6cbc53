//! A stream's folder in the archive.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};

use crate::audit::archive::{Archive, Unread};
use crate::audit::layout;
use crate::audit::log::checkpoint::Checkpoint;
use crate::audit::log::hash::Hash;
use crate::audit::log::note::{MOST_BYTES, Note, PublicKey, Signed};
use crate::audit::log::proof;
use crate::audit::pack;
use crate::audit::prove::Object;
use crate::audit::verify::nodes::Tiles;
use crate::store::{Class, Store, StoreError};

use super::refused::{REFUSAL, Trouble, refused};

/// Paths of one listing.
const PAGE: usize = 1000;
/// Objects that are read at once.
const AT_ONCE: usize = 8;
/// Longest segment that is read, packed: what doesn't shrink grows a little.
const MOST_PACKED: usize = pack::MOST_UNPACKED + pack::MOST_UNPACKED / 64;
/// Longest tile, in bytes.
const MOST_TILE: usize = 256 * 32;

/// A stream's folder. Calls are boxed: those of the S3 client are large, and a walk holds many inside each other.
pub struct Remote<'a> {
    store: &'a Store,
    folder: String,
}

impl<'a> Remote<'a> {
    /// `folder` has no slash at its end.
    #[must_use]
    pub fn new(store: &'a Store, folder: String) -> Self {
        Self { store, folder }
    }

    fn key(&self, path: &str) -> String {
        format!("{}/{path}", self.folder)
    }

    /// The next paths below `below` that come after `after`, in order.
    ///
    /// # Errors
    /// They can't be listed.
    pub async fn after(&self, below: &str, after: Option<&str>) -> Result<Vec<String>, StoreError> {
        let after = after.map(|path| self.key(path)).unwrap_or_default();
        let listing = Box::pin(self.store.list(&self.key(below), &after, PAGE)).await?;
        let cut = self.folder.len() + 1;
        Ok(listing.objects.into_iter().filter_map(|one| one.key.get(cut..).map(str::to_owned)).collect())
    }

    /// An object; `None` when there is none.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn get(&self, path: &str, most: usize) -> Result<Option<Vec<u8>>, StoreError> {
        match Box::pin(self.store.get(&self.key(path), most)).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The records of a segment.
    ///
    /// # Errors
    /// It can't be read, or isn't one.
    pub async fn segment(&self, path: &str) -> Result<Vec<u8>, Trouble> {
        let packed = self.get(path, MOST_PACKED).await?.ok_or_else(|| refused(path, "it was removed"))?;
        pack::unpack(&packed).map_err(|error| refused(path, error))
    }

    /// The agent's checkpoint of that size, with its note; `None` when there is none.
    ///
    /// # Errors
    /// It can't be read, or isn't signed.
    pub async fn checkpoint(
        &self,
        size: u64,
        log: &PublicKey,
    ) -> Result<Option<(Checkpoint, Note)>, Trouble> {
        let path = layout::checkpoint(size);
        let Some(bytes) = self.get(&path, MOST_BYTES).await? else { return Ok(None) };
        let note = Note::parse(&bytes).map_err(|error| refused(&path, error))?;
        let found = Checkpoint::of(&note).map_err(|error| refused(&path, error))?;
        if note.signed(log) != Signed::Yes(None) {
            return Err(refused(&path, format!("it isn't signed by {}", log.name())));
        }
        if found.origin != log.name() || found.size != size {
            return Err(refused(&path, "it is signed, and of another log or size than its path says"));
        }
        Ok(Some((found, note)))
    }

    /// Whether all of these lie there.
    ///
    /// # Errors
    /// One is missing or differs, or can't be read.
    pub async fn compare(&self, objects: &[Object]) -> Result<(), Trouble> {
        let each: Vec<_> = objects.iter().map(|one| self.is_there(one)).collect();
        stream::iter(each).buffered(AT_ONCE).try_collect().await
    }

    async fn is_there(&self, one: &Object) -> Result<(), Trouble> {
        match Box::pin(self.store.get(&self.key(&one.path), one.content.len())).await {
            Ok(bytes) if bytes == one.content => Ok(()),
            Ok(_) => Err(refused(&one.path, "it isn't what the segments make")),
            Err(error) if error.class == Class::Unexpected => {
                Err(refused(&one.path, "it is longer than what the segments make"))
            }
            Err(error) if error.class == Class::NotFound => Err(refused(&one.path, "it was removed")),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the tree `(old, old_root)` is the beginning of `(new, new_root)`, by a proof from the tiles.
    ///
    /// # Errors
    /// A tile can't be read, or is none.
    pub async fn is_consistent(
        &self,
        (old, old_root): (u64, &Hash),
        (new, new_root): (u64, &Hash),
    ) -> Result<bool, Trouble> {
        let mut fetched = Fetched::default();
        loop {
            let found = proof::consistency(&mut Tiles::new(&mut fetched, new), old, new);
            match (found, fetched.wanted.take()) {
                (Ok(proof), _) => {
                    return Ok(
                        proof.is_some_and(|all| proof::is_consistent(old, old_root, new, new_root, &all))
                    );
                }
                (Err(_), Some(path)) => {
                    let tile = self.get(&path, MOST_TILE).await?;
                    fetched.have.insert(path, tile);
                }
                (Err(unread), None) => return Err(refused(unread.path, unread.said)),
            }
        }
    }

    /// Makes a note the stream's newest cosigned checkpoint.
    ///
    /// # Errors
    /// It can't be written.
    pub async fn cosigned(&self, note: &Note) -> Result<(), StoreError> {
        Box::pin(self.store.put_over(&self.key(layout::CHECKPOINT), &note.bytes())).await
    }
}

impl Remote<'_> {
    /// Says where the agent looks that its stream is refused.
    ///
    /// # Errors
    /// It can't be written.
    pub async fn refuse(&self, note: &Note) -> Result<(), StoreError> {
        Box::pin(self.store.put_over(&self.key(REFUSAL), &note.bytes())).await
    }
}

/// What was read so far, for who can't wait.
#[derive(Default)]
struct Fetched {
    have: HashMap<String, Option<Vec<u8>>>,
    wanted: Option<String>,
}

impl Archive for Fetched {
    fn list(&mut self) -> Result<Vec<String>, Unread> {
        Ok(self.have.keys().cloned().collect())
    }

    fn get(&mut self, path: &str) -> Result<Option<Vec<u8>>, Unread> {
        if let Some(known) = self.have.get(path) {
            return Ok(known.clone());
        }
        self.wanted = Some(path.to_owned());
        Err(Unread { path: path.to_owned(), said: "it isn't read yet".to_owned() })
    }
}

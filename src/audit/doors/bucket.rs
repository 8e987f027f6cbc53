//! An archive where it is: a bucket, with credentials that may read.

use std::collections::HashMap;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::super::archive::{Archive, Unread};
use super::super::layout::Stream;
use super::super::pack::MOST_UNPACKED;
use super::stream_of;
use crate::store::{Class, Store, StoreError};

/// A stream's folder in a bucket. Calls block: not for threads that drive futures.
#[derive(Debug)]
pub struct Bucket {
    store: Store,
    /// With a slash at its end.
    folder: String,
    handle: Handle,
    /// Objects on their way, by path.
    coming: HashMap<String, JoinHandle<Result<Vec<u8>, StoreError>>>,
}

/// Objects of one stream that are listed.
const MOST_LISTED: usize = 50_000_000;
/// Objects that are read before they are asked for.
const AT_ONCE: usize = 16;

/// All streams below a prefix, by name: two levels of folders are asked for, and their folders.
///
/// # Errors
/// What the store says.
pub async fn streams(store: &Store, prefix: &str) -> Result<Vec<(Stream, Bucket)>, StoreError> {
    let prefix = prefix.trim_matches('/');
    let root = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    let mut found = Vec::new();
    for cluster in store.folders(&root).await? {
        for agent in store.folders(&cluster).await? {
            for folder in store.folders(&agent).await? {
                let bucket = Bucket::at(store, folder.clone());
                found.extend(stream_of(&folder).map(|stream| (stream, bucket)));
            }
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

impl Bucket {
    /// The folder of one stream.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    pub fn of(store: &Store, prefix: &str, stream: &Stream) -> Self {
        Self::at(store, stream.folder(prefix) + "/")
    }

    fn at(store: &Store, folder: String) -> Self {
        Self { store: store.clone(), folder, handle: Handle::current(), coming: HashMap::new() }
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.coming.drain().for_each(|(_, task)| task.abort());
    }
}

fn unread(path: &str, error: &StoreError) -> Unread {
    Unread { path: path.to_owned(), said: error.to_string() }
}

impl Archive for Bucket {
    fn list(&mut self) -> Result<Vec<String>, Unread> {
        let listed = self.handle.block_on(self.store.list(&self.folder, "", MOST_LISTED));
        let listing = listed.map_err(|error| unread(&self.folder, &error))?;
        let below = |key: String| key.strip_prefix(&self.folder).map(str::to_owned);
        Ok(listing.objects.into_iter().filter_map(|object| below(object.key)).collect())
    }

    fn get(&mut self, path: &str) -> Result<Option<Vec<u8>>, Unread> {
        let key = format!("{}{path}", self.folder);
        let coming = self.coming.remove(path).and_then(|task| self.handle.block_on(task).ok());
        // One that failed on its way is asked for again.
        let found = match coming {
            Some(Ok(content)) => Ok(content),
            _ => self.handle.block_on(self.store.get(&key, MOST_UNPACKED)),
        };
        match found {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) if error.class == Class::Unexpected => {
                let head =
                    self.handle.block_on(self.store.listed(&key)).map_err(|error| unread(&key, &error))?;
                let is_longer = head > MOST_UNPACKED as u64;
                if is_longer { Ok(Some(Vec::new())) } else { Err(unread(&key, &error)) }
            }
            Err(error) => Err(unread(&key, &error)),
        }
    }

    fn soon(&mut self, paths: &[String]) {
        for path in paths.iter().take(AT_ONCE) {
            if self.coming.len() < AT_ONCE && !self.coming.contains_key(path) {
                let (store, key) = (self.store.clone(), format!("{}{path}", self.folder));
                let task = self.handle.spawn(async move { Box::pin(store.get(&key, MOST_UNPACKED)).await });
                self.coming.insert(path.clone(), task);
            }
        }
    }
}

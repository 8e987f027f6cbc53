//! An archive where it is: a bucket, with credentials that may read.

use tokio::runtime::Handle;

use super::super::archive::{Archive, Unread};
use super::super::layout::Stream;
use super::super::pack::MOST_UNPACKED;
use super::stream_of;
use crate::store::{Class, Store, StoreError};

/// A stream's folder in a bucket. Calls block: not for threads that drive futures.
#[derive(Clone, Debug)]
pub struct Bucket {
    store: Store,
    /// With a slash at its end.
    folder: String,
    handle: Handle,
}

/// Objects of one stream that are listed.
const MOST_LISTED: usize = 50_000_000;

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
                let bucket =
                    Bucket { store: store.clone(), folder: folder.clone(), handle: Handle::current() };
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
        Self { store: store.clone(), folder: stream.folder(prefix) + "/", handle: Handle::current() }
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
        match self.handle.block_on(self.store.get(&key, MOST_UNPACKED)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(unread(&key, &error)),
        }
    }
}

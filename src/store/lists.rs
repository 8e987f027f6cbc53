//! What lies below a prefix: page by page, never more than asked for.

use jiff::Timestamp;

use super::calls::timestamp;
use super::{Class, Store, StoreError};

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Whole key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// By the store's clock.
    pub modified: Option<Timestamp>,
}

/// Objects below a prefix, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// What was found.
    pub objects: Vec<Object>,
    /// Whether there are more than were asked for: then nothing follows from what is missing.
    pub cut: bool,
}

/// One version of an object, or a mark that it was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Whole key.
    pub key: String,
    /// Its id.
    pub version: String,
    /// Whether it is what readers get.
    pub latest: bool,
    /// Whether it only says that the object was removed.
    pub marker: bool,
    /// Bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub modified: Option<Timestamp>,
}

/// Versions below a prefix: by key, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// What was found.
    pub versions: Vec<Version>,
    /// As [`Listing::cut`].
    pub cut: bool,
}

fn size(bytes: Option<i64>) -> u64 {
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default()
}

/// Most keys of one page, by S3.
const PAGE: usize = 1000;

fn page(left: usize) -> i32 {
    i32::try_from(left.min(PAGE)).unwrap_or(i32::MAX)
}

impl Store {
    /// The first `most` objects below a prefix whose keys come after `after` (empty: all).
    ///
    /// # Errors
    /// What went wrong; a part of a listing is none.
    pub async fn list(&self, prefix: &str, after: &str, most: usize) -> Result<Listing, StoreError> {
        let mut listing = Listing::default();
        let mut token = None;
        while listing.objects.len() < most {
            let request = self.client.list_objects_v2().bucket(&self.address.bucket).prefix(prefix);
            let request = request
                .set_start_after((token.is_none() && !after.is_empty()).then(|| after.to_owned()))
                .set_continuation_token(token.take())
                .max_keys(page(most - listing.objects.len()))
                .set_expected_bucket_owner(self.owner());
            let answer = self.call("list", prefix, request.send()).await?;
            for object in answer.contents.unwrap_or_default() {
                let Some(key) = object.key else { continue };
                let modified = object.last_modified.as_ref().and_then(timestamp);
                listing.objects.push(Object { key, size: size(object.size), modified });
            }
            token = answer.next_continuation_token.filter(|_| answer.is_truncated == Some(true));
            if token.is_none() {
                return Ok(listing);
            }
        }
        listing.cut = true;
        Ok(listing)
    }

    /// Bytes of an object, from a listing: whoever adds packs may list them, and not read what is in them.
    ///
    /// # Errors
    /// As [`Self::list`]; [`Class::NotFound`].
    pub async fn listed(&self, key: &str) -> Result<u64, StoreError> {
        let listing = self.list(key, "", 1).await?;
        let found = listing.objects.first().filter(|object| object.key == key);
        found.map(|object| object.size).ok_or_else(|| self.fault(Class::NotFound, "list", key, ""))
    }

    /// What follows a prefix up to the next slash, with it: folders, as people would say.
    ///
    /// # Errors
    /// As [`Self::list`]; more than a thousand are an error.
    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let request = self.client.list_objects_v2().bucket(&self.address.bucket).prefix(prefix);
        let request = request.delimiter("/").max_keys(page(PAGE)).set_expected_bucket_owner(self.owner());
        let answer = self.call("list", prefix, request.send()).await?;
        if answer.is_truncated == Some(true) {
            return Err(self.fault(Class::Unexpected, "list", prefix, "more than a thousand folders"));
        }
        let found = answer.common_prefixes.unwrap_or_default();
        Ok(found.into_iter().filter_map(|one| one.prefix).collect())
    }

    /// The first `most` versions and marks below a prefix.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_versions(&self, prefix: &str, most: usize) -> Result<Versions, StoreError> {
        let mut all = Versions::default();
        let (mut key, mut id) = (None, None);
        while all.versions.len() < most {
            let request = self.client.list_object_versions().bucket(&self.address.bucket).prefix(prefix);
            let request = request
                .set_key_marker(key.take())
                .set_version_id_marker(id.take())
                .max_keys(page(most - all.versions.len()))
                .set_expected_bucket_owner(self.owner());
            let answer = self.call("list the versions of", prefix, request.send()).await?;
            let versions = answer.versions.unwrap_or_default().into_iter().map(|one| {
                (one.key, one.version_id, one.is_latest, false, size(one.size), one.last_modified)
            });
            let markers = answer.delete_markers.unwrap_or_default().into_iter();
            let markers =
                markers.map(|one| (one.key, one.version_id, one.is_latest, true, 0, one.last_modified));
            for (key, version, latest, marker, size, modified) in versions.chain(markers) {
                let (Some(key), Some(version)) = (key, version) else { continue };
                let latest = latest == Some(true);
                let modified = modified.as_ref().and_then(timestamp);
                all.versions.push(Version { key, version, latest, marker, size, modified });
            }
            (key, id) = (answer.next_key_marker, answer.next_version_id_marker);
            all.cut = answer.is_truncated == Some(true) && key.is_some();
            if !all.cut {
                break;
            }
        }
        let age = |one: &Version| (one.key.clone(), !one.latest, std::cmp::Reverse(one.modified));
        all.versions.sort_by_cached_key(age);
        // versitygw tells the last one of a page again on the next.
        all.versions.dedup_by(|one, other| (&one.key, &one.version) == (&other.key, &other.version));
        Ok(all)
    }
}

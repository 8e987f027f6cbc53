//! The store that an archive lies in: the same flags for whoever reads it, writes there or watches it.

use std::path::PathBuf;

use crate::store::address::Written;
use crate::store::{Lock, StoreAddress};

/// Where a store is.
#[derive(Clone, Debug, clap::Args)]
pub struct StoreArgs {
    /// The store's address, when it isn't AWS
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The bucket's region
    #[arg(long, value_name = "REGION", env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
    /// Ask for ENDPOINT/BUCKET rather than BUCKET.ENDPOINT
    #[arg(long)]
    path_style: bool,
    /// Certificate authority of the store, in PEM, besides the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl StoreArgs {
    /// A bucket of it, of this account, whose objects get this lock.
    ///
    /// # Errors
    /// The certificate authority can't be read.
    pub fn address(
        &self,
        bucket: &str,
        owner: Option<&str>,
        lock: Option<Lock>,
    ) -> Result<StoreAddress, String> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path)
                .map_err(|error| format!("{} can't be read: {error}", path.display()))
        };
        Ok(StoreAddress {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            bucket: bucket.to_owned(),
            expected_owner: owner.map(str::to_owned),
            path_style: self.path_style,
            ca: self.ca.as_ref().map(read).transpose()?,
            lock,
            written: Written::Flags,
        })
    }
}

/// Bucket and prefix of `s3://BUCKET/PREFIX`; `None` when it is none.
#[must_use]
pub fn bucket(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("s3://")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    (!bucket.is_empty()).then(|| (bucket, prefix.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_a_name_and_may_have_a_prefix() {
        assert_eq!(bucket("s3://logs"), Some(("logs", "")));
        assert_eq!(bucket("s3://logs/a/b/"), Some(("logs", "a/b")));
        for none in ["", "logs", "s3://", "s3:///a", "./s3"] {
            assert_eq!(bucket(none), None, "{none}");
        }
    }
}

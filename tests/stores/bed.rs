//! Servers to ask.

use tenantry::store::StoreAddress;
use tenantry::store::{Credentials, Store};
use tenantry_testbed::{Ministack, REGION, Run, StoreKeys, Versitygw, make_bucket, programs};

use crate::Outcome;

/// The account that owns the buckets on ministack.
pub(crate) const ACCOUNT: &str = "222222222222";

/// Days of the bucket's default lock.
pub(crate) const LOCK_DAYS: i32 = 14;

/// A kind of server, running.
pub(crate) enum Server {
    Versitygw(Versitygw),
    Ministack(Ministack),
}

impl Server {
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Versitygw(one) => one.url(),
            Self::Ministack(one) => one.url(),
        }
    }

    /// Who may do everything to the buckets.
    pub(crate) fn root(&self) -> StoreKeys {
        match self {
            Self::Versitygw(one) => one.root(),
            Self::Ministack(one) => one.root(ACCOUNT),
        }
    }

    pub(crate) fn client(&self) -> aws_sdk_s3::Client {
        tenantry_testbed::s3_client(&self.url(), &self.root())
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Versitygw(_) => "versitygw",
            Self::Ministack(_) => "ministack",
        }
    }

    /// The bucket, where it is.
    pub(crate) fn address(&self, bucket: &str) -> StoreAddress {
        address(&self.url(), bucket)
    }
}

pub(crate) fn address(url: &str, bucket: &str) -> StoreAddress {
    StoreAddress {
        endpoint: Some(url.to_owned()),
        region: REGION.into(),
        bucket: bucket.into(),
        path_style: true,
        ..StoreAddress::default()
    }
}

pub(crate) fn credentials(keys: &StoreKeys) -> Credentials {
    Credentials::new(&keys.id, &keys.secret, None).expect("keys of the testbed are fit for use")
}

/// One of each, with the buckets `plain` (versions) and `locked` (versions and Object Lock); `None`: to be skipped.
pub(crate) async fn servers() -> Outcome<Option<Vec<Server>>> {
    if programs::skip() {
        return Ok(None);
    }
    let run = Run::start()?;
    let servers = vec![
        Server::Versitygw(Versitygw::start_in(&run).await?),
        Server::Ministack(Ministack::start_in(&run).await?),
    ];
    for server in &servers {
        let client = server.client();
        make_bucket(&client, "plain", None).await?;
        make_bucket(&client, "locked", Some(LOCK_DAYS)).await?;
    }
    Ok(Some(servers))
}

/// The bucket as its owner.
pub(crate) fn open(server: &Server, bucket: &str) -> Outcome<Store> {
    Ok(Store::open(&server.address(bucket), &credentials(&server.root()))?)
}

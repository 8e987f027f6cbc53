//! An archive account: versitygw with a locked bucket, and users for the writer, the reader and the witness.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tenantry::audit::archive::{Archive, Unread};
use tenantry::audit::layout::Stream;
use tenantry::audit::log::note::PublicKey;
use tenantry::audit::ship::run::{Pace, Settings, State, run};
use tenantry::audit::ship::shipper::Shipper;
use tenantry::audit::ship::sink::{Place, Sink};
use tenantry::audit::verify::report;
use tenantry::audit::verify::stream::{Keys, verify};
use tenantry::audit::witness::round::{Round, Witness};
use tenantry::runtime::backoff::Backoff;
use tenantry::runtime::shutdown::{Shutdown, Trigger};
use tenantry::store::access::{Access, Base};
use tenantry::store::{Credentials, Store};
use tenantry::store::{Lock, StoreAddress};
use tenantry_testbed::{
    AUDIT_WRITES, REGION, Run, StoreKeys, Versitygw, audit_policy, eventually, make_bucket, programs,
};
use tokio::sync::watch;

use super::spool::{Spool, log_key, witness_key};
use crate::Outcome;

pub(crate) const BUCKET: &str = "logs";
pub(crate) const PREFIX: &str = "audit";
/// Of the bucket by default, and of each object.
pub(crate) const DAYS: u32 = 30;

pub(crate) struct Bed {
    _run: Arc<Run>,
    pub(crate) server: Versitygw,
    writer: StoreKeys,
    reader: StoreKeys,
    witness: StoreKeys,
}

pub(crate) fn credentials(keys: &StoreKeys) -> Credentials {
    Credentials::new(&keys.id, &keys.secret, None).expect("keys of the testbed are fit for use")
}

pub(crate) fn address(url: &str, owner: &str, lock: Option<Lock>) -> StoreAddress {
    StoreAddress {
        endpoint: Some(url.to_owned()),
        region: REGION.into(),
        bucket: BUCKET.into(),
        expected_owner: Some(owner.to_owned()),
        path_style: true,
        lock,
        ..StoreAddress::default()
    }
}

pub(crate) fn lock() -> Lock {
    Lock { mode: "COMPLIANCE".into(), days: DAYS }
}

impl Bed {
    /// `None`: to be skipped.
    pub(crate) async fn start() -> Outcome<Option<Self>> {
        if programs::skip() {
            return Ok(None);
        }
        let run = Run::start()?;
        let server = Versitygw::start_in(&run).await?;
        make_bucket(&server.client(), BUCKET, Some(i32::try_from(DAYS)?)).await?;
        let (writer, reader, witness) =
            (server.user("writer")?, server.user("reader")?, server.user("witness")?);
        let bed = Self { _run: run, server, writer, reader, witness };
        bed.allow(&AUDIT_WRITES, &[]).await?;
        Ok(Some(bed))
    }

    /// Gives the writer these rights on objects and on the bucket, beside those that it always has.
    pub(crate) async fn allow(&self, objects: &[&str], bucket: &[&str]) -> Outcome {
        let policy = audit_policy(BUCKET, objects, bucket);
        let request = self.server.client().put_bucket_policy().bucket(BUCKET).policy(policy.to_string());
        request.send().await?;
        Ok(())
    }

    pub(crate) fn owner(&self) -> String {
        self.server.root().id
    }

    /// The archive as an agent reaches it, at `url`.
    pub(crate) fn sink_at(&self, url: &str, prefix: &str) -> Arc<Sink> {
        self.sink_of(url, prefix, &self.owner(), lock())
    }

    pub(crate) fn sink_of(&self, url: &str, prefix: &str, owner: &str, lock: Lock) -> Arc<Sink> {
        let access = |keys: &StoreKeys, lock| {
            Access::new(address(url, owner, lock), Base::Given(credentials(keys)), None)
        };
        let place =
            Place { bucket: BUCKET.into(), prefix: prefix.into(), owner: owner.into(), lock: lock.clone() };
        Arc::new(Sink::new(access(&self.writer, Some(lock)), Some(access(&self.reader, None)), place))
    }

    pub(crate) fn sink(&self) -> Arc<Sink> {
        self.sink_at(&self.server.url(), PREFIX)
    }

    /// The bucket as who may do everything.
    pub(crate) fn root(&self) -> Outcome<Store> {
        Ok(Store::open(&address(&self.server.url(), &self.owner(), None), &credentials(&self.server.root()))?)
    }

    /// Where a stream's objects lie as files.
    pub(crate) fn files(&self, prefix: &str, stream: &Stream) -> PathBuf {
        self.server.files(BUCKET).join(stream.folder(prefix))
    }

    /// All of a stream, as it would be downloaded.
    pub(crate) async fn download(&self, prefix: &str, stream: &Stream) -> Outcome<Downloaded> {
        let (root, folder) = (self.root()?, format!("{}/", stream.folder(prefix)));
        let mut found = BTreeMap::new();
        for object in root.list(&folder, "", 10_000).await?.objects {
            let content = root.get(&object.key, 80_000_000).await?;
            found.insert(object.key[folder.len()..].to_owned(), content);
        }
        Ok(Downloaded(found))
    }

    /// Whether what was shipped is whole.
    pub(crate) async fn verified(
        &self,
        spool: &Spool,
        witness: Option<PublicKey>,
    ) -> Outcome<report::Stream> {
        let mut all = self.download(PREFIX, &spool.stream()).await?;
        let keys = Keys { log: log_key(&spool.stream().agent).public().clone(), witness };
        let (report, _) = verify(&mut all, &spool.stream(), &keys, &mut |_| ())?;
        Ok(report)
    }

    /// One round of a witness that keeps its memory in `state`.
    pub(crate) async fn witness(&self, state: &std::path::Path) -> Outcome<Round> {
        let store =
            Store::open(&address(&self.server.url(), &self.owner(), None), &credentials(&self.witness))?;
        let agents = ["cp-1", "cp-2"].map(|agent| log_key(agent).public().clone()).to_vec();
        let witness = Witness { key: witness_key(), agents, prefix: PREFIX.into(), state: state.to_owned() };
        Ok(Box::pin(witness.round(&store)).await?)
    }
}

pub(crate) struct Downloaded(pub(crate) BTreeMap<String, Vec<u8>>);

impl Archive for Downloaded {
    fn list(&mut self) -> Result<Vec<String>, Unread> {
        Ok(self.0.keys().cloned().collect())
    }

    fn get(&mut self, path: &str) -> Result<Option<Vec<u8>>, Unread> {
        Ok(self.0.get(path).cloned())
    }
}

/// An agent's shipping, under way; dropped, it ends.
pub(crate) struct Agent {
    pub(crate) states: watch::Receiver<State>,
    trigger: Trigger,
}

impl Agent {
    pub(crate) fn start(shipper: Shipper, sink: Arc<Sink>, witness: Option<PublicKey>) -> Self {
        Self::start_with(shipper, sink, witness, None)
    }

    pub(crate) fn start_with(
        shipper: Shipper,
        sink: Arc<Sink>,
        witness: Option<PublicKey>,
        forget_unverified_after: Option<Duration>,
    ) -> Self {
        let millis = Duration::from_millis;
        let pace = Pace {
            segments: millis(50),
            witness: millis(200),
            looks: millis(400),
            backoff: Backoff { base: millis(50), cap: millis(300) },
        };
        let settings = Settings { witness, forget_unverified_after, pace };
        let (tell, states) = watch::channel(State::default());
        let (trigger, stop) = Shutdown::new();
        tokio::spawn(async move { run(shipper, sink, settings, stop, tell).await });
        Self { states, trigger }
    }

    /// Waits until the state is one that is looked for.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&State) -> bool) -> Outcome<State> {
        let found = eventually(Duration::from_secs(120), what, || {
            let state = self.states.borrow().clone();
            let found = if is(&state) { Ok(state) } else { Err(format!("{state:?}")) };
            async move { found }
        });
        Ok(found.await?)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.trigger.stop();
    }
}

//! A Lease on a server that replicas reach by roads of their own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::runtime::call::CallError;
use crate::runtime::lease::{Elector, Leadership, LeaseApi, Record, Role, Settings, Stored};

/// What one replica meets on its way to the API server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Road {
    /// Time to the server, and again back.
    pub(super) latency: Duration,
    /// Nothing arrives.
    pub(super) cut: bool,
    /// Requests arrive and take effect, answers do not.
    pub(super) deaf: bool,
}

#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) lease: Option<(Record, u64)>,
    pub(super) version: u64,
}

impl Server {
    pub(super) fn put(&mut self, record: Record) -> Stored {
        self.version += 1;
        self.lease = Some((record.clone(), self.version));
        Stored { record, version: self.version.to_string() }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Fake {
    server: Arc<Mutex<Server>>,
    road: Arc<Mutex<Road>>,
}

impl Fake {
    pub(super) fn on(server: &Arc<Mutex<Server>>) -> Self {
        Self { server: Arc::clone(server), road: Arc::default() }
    }

    pub(super) fn set_road(&self, road: Road) {
        *self.road.lock().unwrap() = road;
    }

    async fn travel<T>(
        &self,
        serve: impl FnOnce(&mut Server) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let road = *self.road.lock().unwrap();
        sleep(road.latency).await;
        if road.cut {
            std::future::pending::<()>().await;
        }
        let answer = serve(&mut self.server.lock().unwrap());
        if road.deaf {
            std::future::pending::<()>().await;
        }
        sleep(road.latency).await;
        answer
    }
}

impl LeaseApi for Fake {
    async fn get(&self) -> Result<Option<Stored>, CallError> {
        self.travel(|server| {
            let lease = server.lease.clone();
            Ok(lease.map(|(record, version)| Stored { record, version: version.to_string() }))
        })
        .await
    }

    async fn create(&self, record: &Record) -> Result<Stored, CallError> {
        self.travel(|server| match server.lease {
            Some(_) => Err(CallError::AlreadyExists("lease".into())),
            None => Ok(server.put(record.clone())),
        })
        .await
    }

    async fn update(&self, record: &Record, version: &str) -> Result<Stored, CallError> {
        self.travel(|server| match &server.lease {
            None => Err(CallError::NotFound("lease".into())),
            Some((_, current)) if current.to_string() != version => Err(CallError::Conflict("lease".into())),
            Some(_) => Ok(server.put(record.clone())),
        })
        .await
    }
}

pub(super) struct Replica {
    pub(super) fake: Fake,
    pub(super) leadership: Leadership,
    stop: Option<oneshot::Sender<()>>,
    pub(super) task: JoinHandle<()>,
}

impl Replica {
    pub(super) fn start(name: &str, server: &Arc<Mutex<Server>>) -> Self {
        let fake = Fake::on(server);
        let (mut elector, leadership) = Elector::new(fake.clone(), Settings::new(name));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move { elector.run(async { drop(stopped.await) }).await });
        Self { fake, leadership, stop: Some(stop), task }
    }

    pub(super) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub(super) fn standby_of(&self) -> Option<String> {
        match self.leadership.role() {
            Role::Standby { holder } => holder,
            Role::Leading { .. } => panic!("leads"),
        }
    }
}

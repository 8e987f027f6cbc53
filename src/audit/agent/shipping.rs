//! The shipper as a part of the agent.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::watch;

use super::Shipper;
use crate::audit::ship::run::{Settings, State, run};
use crate::audit::ship::shipper;
use crate::audit::ship::sink::Sink;
use crate::audit::spool::Spool;
use crate::runtime::shutdown::Shutdown;

/// Ships the spool of this agent.
pub struct Shipping {
    shipper: shipper::Shipper,
    sink: Arc<Sink>,
    settings: Settings,
    tell: watch::Sender<State>,
}

impl Shipping {
    /// Asks nothing yet.
    #[must_use]
    pub fn new(shipper: shipper::Shipper, sink: Arc<Sink>, settings: Settings) -> Self {
        Self { shipper, sink, settings, tell: watch::channel(State::default()).0 }
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.tell.subscribe()
    }
}

impl Shipper for Shipping {
    fn status(&self) -> Arc<dyn Fn() -> Value + Send + Sync> {
        let state = self.tell.subscribe();
        Arc::new(move || serde_json::to_value(&*state.borrow()).unwrap_or_default())
    }

    fn run(self: Box<Self>, spool: Spool, shutdown: Shutdown) -> BoxFuture<'static, ()> {
        Box::pin(run(self.shipper.of(spool), self.sink, self.settings, shutdown, self.tell))
    }
}

//! What a source is to the agent: something with a name that gives records to the spool until the end.

use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;

use crate::audit::spool::Spool;
use crate::runtime::shutdown::Shutdown;

/// How a source does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Records that it gave since the start, all of them safe.
    pub records: u64,
    /// Bytes that are there and weren't read.
    pub behind: u64,
    /// Why nothing comes of it.
    pub trouble: Option<String>,
}

/// A source: the API server's log or webhook, the change trail, and whatever comes later (an identity provider's log-ons,
/// a pull from a cloud's own log).
pub trait Feed: Send + 'static {
    /// Its name: in positions, records about it, metrics and status.
    fn name(&self) -> &str;

    /// How it does; asked whenever somebody looks.
    fn state(&self) -> Arc<Mutex<State>>;

    /// Gives records until the stop is asked for. Ends by itself only when it can't go on.
    fn run(self: Box<Self>, spool: Spool, shutdown: Shutdown) -> BoxFuture<'static, ()>;
}

//! `/healthz`, `/readyz`, `/status` and `/metrics` of the agent. Nothing here holds a record's content.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State as Of;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use serde_json::{Value, json};

use super::feed::State;
use crate::audit::spool::Spool;
use crate::runtime::http::{Bounds, Server};
use crate::runtime::metrics;
use crate::runtime::shutdown::Shutdown;

const BOUNDS: Bounds = Bounds { life: Duration::from_secs(60), connections: 32 };

/// A number that something counts: a name, the value of its label, and how to ask.
pub type Row = (&'static str, &'static str, Arc<dyn Fn() -> u64 + Send + Sync>);

/// Sources by name.
pub type States = Vec<(String, Arc<Mutex<State>>)>;

/// What the pages show; clones show the same.
#[derive(Clone)]
pub struct Pages(Arc<Shown>);

/// What there is to show of an agent.
pub struct Shown {
    /// The cluster's name.
    pub cluster: String,
    /// Its own.
    pub agent: String,
    /// Where records go.
    pub spool: Spool,
    /// Where they come from.
    pub states: States,
    /// Further numbers.
    pub rows: Vec<Row>,
    /// What is known of shipping.
    pub shipper: Option<Arc<dyn Fn() -> Value + Send + Sync>>,
}

impl From<Shown> for Pages {
    fn from(shown: Shown) -> Self {
        Self(Arc::new(shown))
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

impl Pages {
    /// Serves them until the stop is asked for.
    pub async fn serve(&self, server: Server, shutdown: Shutdown) {
        let router = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/status", get(status))
            .route("/metrics", get(scrape))
            .with_state(self.clone());
        server.serve(router, BOUNDS, shutdown).await;
    }

    /// All that is known, as JSON.
    #[must_use]
    pub fn status(&self) -> Value {
        let figures = self.0.spool.figures();
        let sources = self.states().into_iter().map(|(name, state)| {
            let State { records, behind, trouble } = state;
            json!({"name": name, "records": records, "behindBytes": behind, "trouble": trouble})
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"), "cluster": self.0.cluster, "agent": self.0.agent,
            "epoch": figures.epoch,
            "spool": {
                "records": figures.records, "bytes": figures.bytes, "sealed": figures.sealed,
                "oldest": figures.oldest, "syncs": figures.syncs,
                "trouble": figures.trouble.map(|trouble| trouble.to_string()),
            },
            "sources": sources.collect::<Vec<_>>(),
            "counts": self.0.rows.iter().map(|(name, label, ask)| json!({"name": name, "label": label, "count": ask()}))
                .collect::<Vec<_>>(),
            "shipper": self.0.shipper.as_ref().map(|ask| ask()),
        })
    }

    fn states(&self) -> Vec<(String, State)> {
        let state = |(name, state): &(String, Arc<Mutex<State>>)| {
            (name.clone(), state.lock().unwrap_or_else(PoisonError::into_inner).clone())
        };
        self.0.states.iter().map(state).collect()
    }

    /// The first thing that keeps records from being taken.
    fn trouble(&self) -> Option<String> {
        let spool = self.0.spool.trouble().map(|trouble| trouble.to_string());
        let source = || {
            self.states().into_iter().find_map(|(name, state)| Some(format!("{name}: {}", state.trouble?)))
        };
        spool.or_else(source)
    }
}

async fn ready(Of(pages): Of<Pages>) -> Response {
    match pages.trouble() {
        None => "ok\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn status(Of(pages): Of<Pages>) -> Response {
    ([(CONTENT_TYPE, "application/json")], format!("{:#}\n", pages.status())).into_response()
}

async fn scrape(Of(pages): Of<Pages>) -> Response {
    let mut registry = Registry::with_prefix("tenantry_audit");
    registry.register_collector(Box::new(pages));
    let mut page = String::new();
    // Writing into a String cannot fail; if it ever did, the rest is missing.
    if text::encode(&mut page, &registry).is_err() {
        page.push_str("# EOF\n");
    }
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response()
}

/// Numbers with at most one label.
struct Series<'a> {
    name: &'a str,
    help: &'a str,
    unit: Option<Unit>,
    counts: bool,
    values: Vec<(Option<(&'static str, &'a str)>, u64)>,
}

impl Series<'_> {
    fn encode(self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kind = if self.counts { MetricType::Counter } else { MetricType::Gauge };
        let mut metric = encoder.encode_descriptor(self.name, self.help, self.unit.as_ref(), kind)?;
        for (label, value) in self.values {
            let gauge = i64::try_from(value).unwrap_or(i64::MAX);
            let labels: Vec<(&str, &str)> = label.into_iter().collect();
            if labels.is_empty() {
                return if self.counts {
                    ConstCounter::new(value).encode(metric)
                } else {
                    ConstGauge::new(gauge).encode(metric)
                };
            }
            let one = metric.encode_family(&labels)?;
            if self.counts {
                ConstCounter::new(value).encode(one)?
            } else {
                ConstGauge::new(gauge).encode(one)?
            }
        }
        Ok(())
    }
}

impl Collector for Pages {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (figures, states) = (self.0.spool.figures(), self.states());
        let plain = |name, help, unit, counts, value| Series {
            name,
            help,
            unit,
            counts,
            values: vec![(None, value)],
        };
        let full = u64::from(figures.trouble.is_some());
        for series in [
            plain("records", "Records that are safe on disk", None, true, figures.records),
            plain("syncs", "Syncs of the disk", None, true, figures.syncs),
            plain(
                "spool",
                "Bytes of records that are not proved to be in the archive",
                Some(Unit::Bytes),
                false,
                figures.bytes,
            ),
            plain("spool_segments", "Sealed segments in the spool", None, false, figures.sealed as u64),
            plain("spool_stuck", "Whether no record can be written at the moment", None, false, full),
        ] {
            series.encode(&mut encoder)?;
        }
        let by_source = |value: fn(&State) -> u64| {
            states.iter().map(|(name, state)| (Some(("source", name.as_str())), value(state))).collect()
        };
        let help = "Records of a source since the start";
        let values = by_source(|state| state.records);
        Series { name: "source_records", help, unit: None, counts: true, values }.encode(&mut encoder)?;
        let help = "Bytes of a source that are there and weren't read";
        let values = by_source(|state| state.behind);
        Series { name: "source_behind", help, unit: Some(Unit::Bytes), counts: false, values }
            .encode(&mut encoder)?;
        let help = "Whether nothing comes of a source at the moment";
        let values = by_source(|state| u64::from(state.trouble.is_some()));
        Series { name: "source_stuck", help, unit: None, counts: false, values }.encode(&mut encoder)?;
        let mut rows = self.0.rows.as_slice();
        while let Some((name, ..)) = rows.first() {
            let count = rows.iter().take_while(|row| row.0 == *name).count();
            let (same, rest) = rows.split_at(count);
            let values = same.iter().map(|(_, label, ask)| (Some(("outcome", *label)), ask())).collect();
            Series { name, help: "Requests by outcome", unit: None, counts: true, values }
                .encode(&mut encoder)?;
            rows = rest;
        }
        Ok(())
    }
}

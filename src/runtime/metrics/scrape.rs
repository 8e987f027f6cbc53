//! What is asked at the moment of a scrape.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::runtime::health::{Health, WatchAge};
use crate::runtime::lease::Leadership;
use crate::runtime::queue::Stats;

type Ask = Box<dyn Fn() -> Stats + Send + Sync>;

type AskPromises = Box<dyn Fn() -> Vec<(&'static str, [usize; 3])> + Send + Sync>;

/// Who is asked.
#[derive(Default)]
pub(super) struct Sources {
    pub queues: BTreeMap<&'static str, Ask>,
    pub health: Option<Health>,
    pub leadership: Option<Leadership>,
    pub promises: Option<AskPromises>,
}

/// Asks the sources and writes their answers.
pub(super) struct Scrape {
    sources: Arc<Mutex<Sources>>,
}

impl Scrape {
    pub(super) fn new(sources: Arc<Mutex<Sources>>) -> Self {
        Self { sources }
    }
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrape").finish_non_exhaustive()
    }
}

/// One gauge with its series.
struct Series<'a> {
    name: &'a str,
    help: &'a str,
    unit: Option<Unit>,
    values: Vec<(Vec<(&'a str, &'a str)>, f64)>,
}

impl Series<'_> {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        if self.values.is_empty() {
            return Ok(());
        }
        let unit = self.unit.as_ref();
        let mut metric = encoder.encode_descriptor(self.name, self.help, unit, MetricType::Gauge)?;
        for (labels, value) in &self.values {
            if labels.is_empty() {
                ConstGauge::new(*value).encode(metric)?;
                return Ok(());
            }
            ConstGauge::new(*value).encode(metric.encode_family(labels)?)?;
        }
        Ok(())
    }
}

/// Exact up to 2⁵³ keys.
#[allow(clippy::cast_precision_loss)]
fn number(count: usize) -> f64 {
    count as f64
}

fn queues(stats: &[(&str, Stats)], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut depth = Vec::new();
    let mut oldest = Vec::new();
    for (name, stats) in stats {
        for (state, count) in [
            ("urgent", stats.urgent),
            ("bulk", stats.bulk),
            ("delayed", stats.delayed),
            ("running", stats.running),
        ] {
            depth.push((vec![("queue", *name), ("state", state)], number(count)));
        }
        oldest.push((vec![("queue", *name)], stats.oldest.as_secs_f64()));
    }
    let help = "Keys in the queue, by state (urgent and bulk are ready to run)";
    Series { name: "queue_depth", help, unit: None, values: depth }.encode(encoder)?;
    let help = "How long the key that is ready for longest has been so";
    Series { name: "queue_oldest", help, unit: Some(Unit::Seconds), values: oldest }.encode(encoder)
}

fn promises(counts: &[(&'static str, [usize; 3])], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let of = |(promise, counts): &(&'static str, [usize; 3])| {
        let states = ["true", "false", "unknown"].into_iter().zip(*counts);
        let promise = *promise;
        states.map(move |(status, count)| (vec![("promise", promise), ("status", status)], number(count)))
    };
    let help = "Tenants and Platforms, by promise and by what its condition says";
    let values = counts.iter().flat_map(of).collect();
    Series { name: "promises", help, unit: None, values }.encode(encoder)
}

fn watches(health: &Health, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let ages = health.watch_ages();
    let labelled = |value: fn(&WatchAge) -> f64| {
        ages.iter().map(|age| (vec![("watch", age.name.as_str())], value(age))).collect()
    };
    let help = "Time since the last event or bookmark of a watch";
    let values = labelled(|age| age.age.as_secs_f64());
    Series { name: "watch_age", help, unit: Some(Unit::Seconds), values }.encode(encoder)?;
    let help = "Whether a watch has done its first list";
    let values = labelled(|age| f64::from(u8::from(age.synced)));
    Series { name: "watch_synced", help, unit: None, values }.encode(encoder)
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let stats: Vec<(&str, Stats)> = sources.queues.iter().map(|(name, ask)| (*name, ask())).collect();
        queues(&stats, &mut encoder)?;
        if let Some(health) = &sources.health {
            watches(health, &mut encoder)?;
        }
        if let Some(ask) = &sources.promises {
            promises(&ask(), &mut encoder)?;
        }
        if let Some(leadership) = &sources.leadership {
            let leads = f64::from(u8::from(leadership.is_leader()));
            let help = "Whether this replica may write";
            Series { name: "leader", help, unit: None, values: vec![(Vec::new(), leads)] }
                .encode(&mut encoder)?;
        }
        Ok(())
    }
}

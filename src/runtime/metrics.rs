//! What the process counts and measures, in OpenMetrics text.
//!
//! A plain value, no globals: every test has its own. What is true only at the
//! moment of a scrape (queue depth, watch age, leadership) is asked then.

mod scrape;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use self::scrape::{Scrape, Sources};
use super::health::Health;
use super::lease::Leadership;
use super::queue::Stats;

/// What [`Metrics::encode`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Label = (&'static str, Cow<'static, str>);
type Counters<const N: usize> = Family<[Label; N], Counter>;
type Gauges<const N: usize> = Family<[Label; N], Gauge>;
type Histograms<const N: usize> = Family<[Label; N], Histogram, fn() -> Histogram>;

/// The metrics of one process; clones share them.
///
/// Label values must come from a small fixed set: never a Tenant's name.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    sources: Arc<Mutex<Sources>>,
    reconcile: Histograms<2>,
    api_calls: Counters<2>,
    drift_healed: Counters<1>,
    commit_to_applied: Histogram,
    tenants: Gauges<1>,
    zone_loss: Gauges<1>,
    isolation_trials: Counters<2>,
    git_fetch: Histograms<1>,
    sandbox: Gauges<1>,
    hooks: Counters<1>,
    issuers: Counters<1>,
    forge: Counters<1>,
    trail: Counters<1>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// A call or a pass: a millisecond to a minute.
fn short() -> Histogram {
    Histogram::new([0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
}

/// From a commit to its effect: a tenth of a second to ten minutes.
fn long() -> Histogram {
    Histogram::new([0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0])
}

fn plain(name: &'static str, value: impl Into<Cow<'static, str>>) -> Label {
    (name, value.into())
}

impl Metrics {
    /// Metrics that start at nothing.
    #[must_use]
    pub fn new() -> Self {
        let sources = Arc::new(Mutex::new(Sources::default()));
        let mut inner = Inner {
            registry: Registry::with_prefix("tenantry"),
            sources: Arc::clone(&sources),
            reconcile: Family::new_with_constructor(short),
            api_calls: Family::default(),
            drift_healed: Family::default(),
            commit_to_applied: long(),
            tenants: Family::default(),
            zone_loss: Family::default(),
            isolation_trials: Family::default(),
            git_fetch: Family::new_with_constructor(short),
            sandbox: Family::default(),
            hooks: Family::default(),
            issuers: Family::default(),
            forge: Family::default(),
            trail: Family::default(),
        };
        inner.register();
        inner.registry.register_collector(Box::new(Scrape::new(sources)));
        Self { inner: Arc::new(inner) }
    }

    fn sources(&self) -> std::sync::MutexGuard<'_, Sources> {
        self.inner.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pass of `controller` ended as `outcome` after `took`.
    pub fn reconciled(&self, controller: &'static str, outcome: &'static str, took: Duration) {
        let labels = [plain("controller", controller), plain("outcome", outcome)];
        self.inner.reconcile.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A call to the API server ended. `api_client` counts them all.
    pub fn api_call(&self, verb: &'static str, outcome: &'static str) {
        self.inner.api_calls.get_or_create(&[plain("verb", verb), plain("outcome", outcome)]).inc();
    }

    /// A foreign change to a child of this kind was undone.
    pub fn drift_healed(&self, kind: impl Into<Cow<'static, str>>) {
        self.inner.drift_healed.get_or_create(&[plain("kind", kind)]).inc();
    }

    /// The time from seeing a commit to having applied it to one Tenant.
    pub fn commit_applied(&self, took: Duration) {
        self.inner.commit_to_applied.observe(took.as_secs_f64());
    }

    /// How many Tenants are ready, are not, and are in a state that is not known.
    pub fn tenants(&self, ready: usize, not_ready: usize, unknown: usize) {
        for (value, count) in [("true", ready), ("false", not_ready), ("unknown", unknown)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.inner.tenants.get_or_create(&[plain("ready", value)]).set(count);
        }
    }

    /// How many services are in this state as far as the loss of a zone goes.
    pub fn zone_loss(&self, answer: &'static str, services: usize) {
        let count = i64::try_from(services).unwrap_or(i64::MAX);
        self.inner.zone_loss.get_or_create(&[plain("answer", answer)]).set(count);
    }

    /// An access review, a dry run or a probe of the network ended as `outcome`.
    pub fn isolation_trial(&self, kind: &'static str, outcome: &'static str) {
        self.inner.isolation_trials.get_or_create(&[plain("kind", kind), plain("outcome", outcome)]).inc();
    }

    /// A Git fetch ended as `outcome` after `took`.
    pub fn git_fetch(&self, outcome: &'static str, took: Duration) {
        self.inner.git_fetch.get_or_create(&[plain("outcome", outcome)]).observe(took.as_secs_f64());
    }

    /// How far Landlock confines the fetch child: `full`, `partial`, `none`, …
    pub fn sandbox(&self, level: &'static str) {
        self.inner.sandbox.clear();
        self.inner.sandbox.get_or_create(&[plain("landlock", level)]).set(1);
    }

    /// A push hook was answered.
    pub fn hook(&self, outcome: &'static str) {
        self.inner.hooks.get_or_create(&[plain("outcome", outcome)]).inc();
    }

    /// The keys of an issuer of tokens were `read`, or that `failed`.
    pub fn issuer(&self, outcome: &'static str) {
        self.inner.issuers.get_or_create(&[plain("outcome", outcome)]).inc();
    }

    /// A post to a forge was `written`, was the `same` already, or failed.
    pub fn forge(&self, outcome: &'static str) {
        self.inner.forge.get_or_create(&[plain("outcome", outcome)]).inc();
    }

    /// Records of the change trail were `written` or `lost`, or the trail was found `broken`.
    pub fn trail(&self, outcome: &'static str, count: u64) {
        self.inner.trail.get_or_create(&[plain("outcome", outcome)]).inc_by(count);
    }

    /// Reports a queue under this name, asked at each scrape.
    pub fn watch_queue(&self, name: &'static str, stats: impl Fn() -> Stats + Send + Sync + 'static) {
        self.sources().queues.insert(name, Box::new(stats));
    }

    /// Reports the age of this health's watches.
    pub fn watch_health(&self, health: Health) {
        self.sources().health = Some(health);
    }

    /// Reports, at each scrape, on how many objects each promise is kept, isn't, and isn't known.
    pub fn watch_promises(&self, ask: impl Fn() -> Vec<(&'static str, [usize; 3])> + Send + Sync + 'static) {
        self.sources().promises = Some(Box::new(ask));
    }

    /// Reports whether this replica leads.
    pub fn watch_leadership(&self, leadership: Leadership) {
        self.sources().leadership = Some(leadership);
    }

    /// Everything, as OpenMetrics text.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail; if it ever did, the rest is missing.
        if text::encode(&mut text, &self.inner.registry).is_err() {
            text.push_str("# EOF\n");
        }
        text
    }
}

impl Inner {
    /// Names carry their unit; help texts say what a reader may conclude.
    fn register(&mut self) {
        self.register_times();
        let registry = &mut self.registry;
        registry.register(
            "api_calls",
            "Calls to the API server, by verb and outcome",
            self.api_calls.clone(),
        );
        registry.register(
            "drift_healed",
            "Foreign changes to children that were undone, by kind",
            self.drift_healed.clone(),
        );
        registry.register("tenants", "Tenants, by the status of Ready", self.tenants.clone());
        registry.register(
            "zone_loss_services",
            "Services, by what the loss of any one zone would do to them",
            self.zone_loss.clone(),
        );
        let help = "Access reviews, dry runs and probes of the network that prove isolation, by outcome";
        registry.register("isolation_trials", help, self.isolation_trials.clone());
        registry.register("sandbox_info", "How far Landlock confines the fetch child", self.sandbox.clone());
        registry.register(
            "hooks",
            "Push hooks, by outcome; refused ones look alike from outside",
            self.hooks.clone(),
        );
        registry.register(
            "issuer_fetches",
            "Fetches of the keys that tokens of push hooks are signed with, by outcome",
            self.issuers.clone(),
        );
        registry.register(
            "forge_posts",
            "Comments and statuses for the forge, by outcome",
            self.forge.clone(),
        );
        registry.register(
            "trail_records",
            "Records of the change trail, written or lost; broken counts trails that did not verify",
            self.trail.clone(),
        );
        let build: Gauges<1> = Family::default();
        build.get_or_create(&[plain("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("build_info", "The version that runs", build);
    }

    fn register_times(&mut self) {
        let registry = &mut self.registry;
        registry.register_with_unit(
            "git_fetch",
            "Time of Git fetches, by outcome",
            Unit::Seconds,
            self.git_fetch.clone(),
        );
        registry.register_with_unit(
            "reconcile",
            "Time of passes, by controller and outcome",
            Unit::Seconds,
            self.reconcile.clone(),
        );
        registry.register_with_unit(
            "commit_to_applied",
            "Time from seeing a commit to having applied it to a Tenant",
            Unit::Seconds,
            self.commit_to_applied.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn full() -> Metrics {
        let metrics = Metrics::new();
        metrics.reconciled("tenant", "applied", Duration::from_millis(30));
        metrics.api_call("apply", "ok");
        metrics.api_call("apply", "ok");
        metrics.drift_healed("Deployment");
        metrics.commit_applied(Duration::from_millis(700));
        metrics.tenants(3, 1, 0);
        metrics.zone_loss("Survives", 5);
        metrics.isolation_trial("review", "answered");
        metrics.git_fetch("ok", Duration::from_millis(120));
        metrics.hook("accepted");
        metrics.issuer("read");
        metrics.forge("written");
        metrics.trail("written", 2);
        metrics.sandbox("none");
        metrics.sandbox("full");
        let oldest = Duration::from_millis(1500);
        let stats = Stats { urgent: 1, bulk: 2, delayed: 3, running: 4, oldest };
        metrics.watch_queue("tenant", move || stats);
        metrics.watch_leadership(Leadership::always());
        metrics.watch_promises(|| vec![("isolation", [4, 1, 2])]);
        let health = Health::default();
        health.watch("tenants").synced();
        metrics.watch_health(health);
        metrics
    }

    #[test]
    fn the_text_has_what_was_counted() {
        let text = full().encode();
        for line in [
            "tenantry_reconcile_seconds_count{controller=\"tenant\",outcome=\"applied\"} 1",
            "tenantry_api_calls_total{verb=\"apply\",outcome=\"ok\"} 2",
            "tenantry_drift_healed_total{kind=\"Deployment\"} 1",
            "tenantry_commit_to_applied_seconds_bucket{le=\"1.0\"} 1",
            "tenantry_commit_to_applied_seconds_bucket{le=\"0.5\"} 0",
            "tenantry_tenants{ready=\"true\"} 3",
            "tenantry_zone_loss_services{answer=\"Survives\"} 5",
            "tenantry_isolation_trials_total{kind=\"review\",outcome=\"answered\"} 1",
            "tenantry_git_fetch_seconds_count{outcome=\"ok\"} 1",
            "tenantry_hooks_total{outcome=\"accepted\"} 1",
            "tenantry_issuer_fetches_total{outcome=\"read\"} 1",
            "tenantry_forge_posts_total{outcome=\"written\"} 1",
            "tenantry_trail_records_total{outcome=\"written\"} 2",
            "tenantry_sandbox_info{landlock=\"full\"} 1",
            "tenantry_queue_depth{queue=\"tenant\",state=\"bulk\"} 2.0",
            "tenantry_queue_depth{queue=\"tenant\",state=\"running\"} 4.0",
            "tenantry_queue_oldest_seconds{queue=\"tenant\"} 1.5",
            "tenantry_leader 1.0",
            "tenantry_promises{promise=\"isolation\",status=\"true\"} 4.0",
            "tenantry_promises{promise=\"isolation\",status=\"false\"} 1.0",
            "tenantry_promises{promise=\"isolation\",status=\"unknown\"} 2.0",
            "tenantry_watch_synced{watch=\"tenants\"} 1.0",
        ] {
            assert!(text.lines().any(|have| have == line), "no {line} in\n{text}");
        }
        assert!(!text.contains("landlock=\"none\""), "{text}");
    }

    #[test]
    fn every_line_belongs_to_a_name_with_help_and_the_text_ends() {
        for text in [Metrics::new().encode(), full().encode()] {
            assert!(text.ends_with("# EOF\n"));
            let mut helped = BTreeMap::new();
            let mut series = BTreeSet::new();
            for line in text.lines().filter(|line| *line != "# EOF") {
                if let Some(rest) = line.strip_prefix("# HELP ") {
                    let (name, help) = rest.split_once(' ').unwrap();
                    assert!(name.starts_with("tenantry_") && help.len() > 10, "{line}");
                    assert!(helped.insert(name.to_owned(), help).is_none(), "twice: {line}");
                } else if !line.starts_with('#') {
                    let (id, value) = line.rsplit_once(' ').unwrap();
                    assert!(value.parse::<f64>().is_ok(), "{line}");
                    let name = id.split('{').next().unwrap();
                    let base = ["_total", "_bucket", "_sum", "_count"]
                        .iter()
                        .find_map(|suffix| name.strip_suffix(suffix))
                        .unwrap_or(name);
                    assert!(helped.contains_key(base), "no help for {line}");
                    assert!(series.insert(id.to_owned()), "twice: {line}");
                }
            }
        }
    }

    #[test]
    fn label_values_are_escaped() {
        let metrics = Metrics::new();
        metrics.drift_healed("a\"b\\c\nd");
        assert!(metrics.encode().contains("{kind=\"a\\\"b\\\\c\\nd\"} 1"), "{}", metrics.encode());
    }
}

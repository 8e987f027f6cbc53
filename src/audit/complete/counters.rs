//! What an API server counts. Pure.

use std::collections::BTreeMap;

/// What `/metrics` of an API server says of its audit log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// When the process began, seconds since 1970: counters begin again with it.
    pub started: f64,
    /// `apiserver_audit_event_total`: events that were made.
    pub events: u64,
    /// `apiserver_audit_error_total`: events that a backend lost, by plugin.
    pub errors: BTreeMap<String, u64>,
}

impl Counted {
    /// What several API servers count together. `started` is another one when any of them began anew.
    #[must_use]
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        all.into_iter().fold(Self::default(), |sum, one| Self {
            started: sum.started + one.started,
            events: sum.events + one.events,
            errors: BTreeMap::new(),
        })
    }
}

impl Counted {
    /// Reads the text form of Prometheus; `None` when it has no count of events.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut found = Self::default();
        let mut has_events = false;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let Ok(value) = value.parse::<f64>() else { continue };
            match name {
                "process_start_time_seconds" => found.started = value,
                "apiserver_audit_event_total" => {
                    has_events = true;
                    found.events += whole(value);
                }
                "apiserver_audit_error_total" => {
                    let plugin = labels.split("plugin=\"").nth(1).and_then(|rest| rest.split('"').next());
                    *found.errors.entry(plugin.unwrap_or_default().to_owned()).or_default() += whole(value);
                }
                _ => {}
            }
        }
        has_events.then_some(found)
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a counter; beyond 2^53 it is rounded anyway"
)]
fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}

/// What one API server says that it lost itself.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    started: f64,
    errors: Option<BTreeMap<String, u64>>,
    failed: BTreeMap<String, u64>,
}

impl Failures {
    /// Takes a look in.
    pub fn look(&mut self, counted: &Counted) {
        if (counted.started - self.started).abs() > 1.0 {
            // Counters begin again with the process; those of the first one are of a time that nothing is claimed of.
            let again = self.errors.is_some();
            (self.started, self.errors) = (counted.started, again.then(BTreeMap::new));
        }
        let before = self.errors.replace(counted.errors.clone());
        for (plugin, errors) in &counted.errors {
            let known = before.as_ref().map_or(*errors, |before| before.get(plugin).copied().unwrap_or(0));
            let more = errors.saturating_sub(known);
            if more > 0 {
                *self.failed.entry(plugin.clone()).or_default() += more;
            }
        }
    }

    /// Events that it says it lost, by plugin, since the first look.
    #[must_use]
    pub fn failed(&self) -> &BTreeMap<String, u64> {
        &self.failed
    }
}

#[cfg(test)]
mod tests;

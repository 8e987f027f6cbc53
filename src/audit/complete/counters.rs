//! What an API server counts, and how that fits what was received. Pure.

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

/// Looks in a row that must agree before an event counts as lost: events are on their way for a moment.
const LOOKS: u32 = 3;

/// One API server's counters against what was received from it.
///
/// `events - received` is what is on its way, plus a constant: what was made before the first look. An event that never
/// arrives raises it for good.
#[derive(Clone, Debug, Default)]
pub struct Reconciled {
    started: f64,
    /// The least difference seen: nothing was on its way then.
    least: Option<i128>,
    /// Differences of the last looks.
    last: Vec<i128>,
    errors: Option<BTreeMap<String, u64>>,
    dropped: u64,
    failed: BTreeMap<String, u64>,
}

impl Reconciled {
    /// Takes a look in: `received` counts events of this API server that were acknowledged, each once, read after
    /// `counted` was.
    pub fn look(&mut self, counted: &Counted, received: u64) {
        if (counted.started - self.started).abs() > 1.0 {
            // A new process counts from zero; what the old one lost stays lost.
            let (dropped, failed) = (self.dropped + self.missing(), std::mem::take(&mut self.failed));
            *self = Self { started: counted.started, dropped, failed, ..Self::default() };
        }
        let difference = i128::from(counted.events) - i128::from(received);
        self.least = Some(self.least.map_or(difference, |least| least.min(difference)));
        self.last.push(difference);
        if self.last.len() > LOOKS as usize {
            self.last.remove(0);
        }
        let before = self.errors.replace(counted.errors.clone());
        for (plugin, errors) in &counted.errors {
            // Errors from before the first look are of a time that nothing is claimed of.
            let known = before.as_ref().map_or(*errors, |before| before.get(plugin).copied().unwrap_or(0));
            let more = errors.saturating_sub(known);
            if more > 0 {
                *self.failed.entry(plugin.clone()).or_default() += more;
            }
        }
    }

    fn missing(&self) -> u64 {
        let (Some(least), Some(now)) = (self.least, self.last.iter().min()) else { return 0 };
        if self.last.len() < LOOKS as usize {
            return 0;
        }
        u64::try_from(now - least).unwrap_or(0)
    }

    /// Events that the API server made and nobody received, at least.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped + self.missing()
    }

    /// Events that the API server itself says it lost, by plugin, since the first look.
    #[must_use]
    pub fn failed(&self) -> &BTreeMap<String, u64> {
        &self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(started: f64, events: u64, failed: u64) -> Counted {
        Counted { started, events, errors: [("webhook".to_owned(), failed)].into() }
    }

    #[test]
    fn metrics_are_read() {
        let text = "# HELP x\napiserver_audit_event_total 42\napiserver_audit_error_total{plugin=\"log\"} 2\n\
                    apiserver_audit_error_total{plugin=\"webhook\"} 1e+06\nprocess_start_time_seconds 1.79e+09\nother 1\n";
        let found = Counted::parse(text).unwrap();
        assert_eq!((found.events, found.errors["log"], found.errors["webhook"]), (42, 2, 1_000_000));
        assert!((found.started - 1.79e9).abs() < 1.0);
        assert_eq!(Counted::parse("other 1\n"), None);
    }

    #[test]
    fn events_on_their_way_are_no_loss_and_others_are() {
        let mut one = Reconciled::default();
        for (events, received) in [(1000, 10), (1100, 105), (1200, 205), (1300, 310), (1400, 400)] {
            one.look(&counted(1.0, events, 0), received);
        }
        assert_eq!(one.dropped(), 0, "one look is none");
        one.look(&counted(1.0, 1400, 0), 410);
        assert_eq!(one.dropped(), 0, "they had been on their way");
        for received in [500, 600, 700] {
            one.look(&counted(1.0, received + 990 + 7, 0), received);
        }
        assert_eq!(one.dropped(), 7);
        // The process begins again; what it lost stays lost.
        one.look(&counted(99.0, 5, 3), 705);
        assert_eq!((one.dropped(), one.failed().len()), (7, 0));
        one.look(&counted(99.0, 9, 4), 709);
        assert_eq!(one.failed()["webhook"], 1);
    }
}

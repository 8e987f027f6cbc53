//! Events that somebody looks for. Pure.

use std::borrow::Cow;
use std::collections::HashSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::frame::{Record, Source};

mod books;

/// What is looked for; everything that is asked for must fit.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Events in namespaces of a Tenant, and of the Tenant itself.
    pub tenant: Option<String>,
    /// Who did it, by the API server's user name.
    pub user: Option<String>,
    /// `get`, `create`, `patch`, …; of what the operator wrote down `change`, `condition`, `backup`, `drill`, …
    pub verb: Option<String>,
    /// From where, as [`Hit::source`].
    pub source: Option<String>,
    /// Received not before.
    pub since: Option<Timestamp>,
    /// Received before.
    pub until: Option<Timestamp>,
}

/// An event in a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    /// When it was received, RFC 3339.
    pub time: String,
    /// The record's number in its stream.
    pub seq: u64,
    /// What it can be proved by.
    #[serde(rename = "auditID")]
    pub audit_id: String,
    /// Which stage of the request.
    pub stage: String,
    /// Where it came from.
    pub source: &'static str,
    /// Who did it.
    pub user: String,
    /// What was done.
    pub verb: String,
    /// To what: `<namespace>/<resource>/<name>`, or the path that was asked for.
    pub object: String,
    /// The answer's code.
    pub code: Option<i64>,
    /// What a record that is no event says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub said: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event<'a> {
    #[serde(rename = "auditID", borrow)]
    audit_id: Cow<'a, str>,
    #[serde(borrow)]
    stage: Cow<'a, str>,
    #[serde(borrow)]
    verb: Cow<'a, str>,
    #[serde(rename = "requestURI", borrow)]
    uri: Cow<'a, str>,
    #[serde(borrow)]
    user: User<'a>,
    #[serde(borrow)]
    object_ref: Object<'a>,
    response_status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User<'a> {
    #[serde(borrow)]
    username: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object<'a> {
    #[serde(borrow)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    resource: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: Option<i64>,
}

/// Events that were shown already are kept so long: the file and the webhook bring the same ones within seconds.
const MOST_SEEN: usize = 200_000;

/// Tells events that came twice.
#[derive(Debug, Default)]
pub struct Seen {
    last: HashSet<(String, String)>,
    before: HashSet<(String, String)>,
}

impl Seen {
    /// Whether this is the first time.
    pub fn is_new(&mut self, audit_id: &str, stage: &str) -> bool {
        if audit_id.is_empty() {
            return true;
        }
        let id = (audit_id.to_owned(), stage.to_owned());
        if self.before.contains(&id) || !self.last.insert(id) {
            return false;
        }
        if self.last.len() > MOST_SEEN {
            self.before = std::mem::take(&mut self.last);
        }
        true
    }
}

impl Hit {
    /// What it is known by when it comes twice: its id, and the stage of a request or what a run was about.
    #[must_use]
    pub fn identity(&self) -> (&str, &str) {
        (&self.audit_id, if self.stage.is_empty() { &self.object } else { &self.stage })
    }
}

/// Every [`Hit::source`].
pub const SOURCES: [&str; 5] = ["Audit", "ChangeTrail", "Health", "Backup", "Agent"];

impl Query {
    /// The event of a record, if it fits.
    #[must_use]
    pub fn hit(&self, record: &Record<'_>) -> Option<Hit> {
        let time = Timestamp::from_millisecond(record.received).ok()?;
        if self.since.is_some_and(|since| time < since) || self.until.is_some_and(|until| time >= until) {
            return None;
        }
        let is = |asked: &Option<String>, found: &str| asked.as_ref().is_none_or(|asked| asked == found);
        let (hit, of_tenant) = match record.source {
            Source::ChangeTrail | Source::Health | Source::Backup => {
                let (hit, tenant) = books::line(record)?;
                (hit, is(&self.tenant, &tenant))
            }
            _ => self.event(record),
        };
        let fits = of_tenant
            && is(&self.user, &hit.user)
            && is(&self.verb, &hit.verb)
            && is(&self.source, hit.source);
        fits.then(|| Hit { time: time.to_string(), ..hit })
    }

    /// An event, and whether it is about the Tenant that is asked for. The agent's own records are of another shape: shown
    /// when nothing of an event is asked for.
    fn event(&self, record: &Record<'_>) -> (Hit, bool) {
        let event: Event<'_> = serde_json::from_slice(record.bytes).unwrap_or_default();
        let of_tenant = self.of_tenant(&event);
        let hit = Hit {
            time: String::new(),
            seq: record.seq,
            audit_id: event.audit_id.into_owned(),
            stage: event.stage.into_owned(),
            source: match record.source {
                // One event, whichever way it came.
                Source::AuditFile | Source::AuditWebhook => "Audit",
                other => other.as_str(),
            },
            user: event.user.username.into_owned(),
            verb: event.verb.into_owned(),
            object: object(&event.object_ref, &event.uri),
            code: event.response_status.code,
            said: String::new(),
        };
        (hit, of_tenant)
    }

    fn of_tenant(&self, event: &Event<'_>) -> bool {
        let Some(tenant) = &self.tenant else { return true };
        let object = &event.object_ref;
        let own = object.resource == "tenants" || object.resource == "namespaces";
        let namespace = object.namespace.strip_prefix(tenant.as_str());
        namespace.is_some_and(|rest| matches!(rest, "" | "-backup" | "-drill"))
            || (own && object.name == *tenant)
    }
}

fn object(object: &Object<'_>, uri: &str) -> String {
    let parts = [&object.namespace, &object.resource, &object.name];
    let parts: Vec<&str> = parts.iter().map(|part| part.as_ref()).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { uri.to_owned() } else { parts.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(bytes: &[u8]) -> Record<'_> {
        Record { seq: 4, synced: 0, received: 1_790_000_000_000, source: Source::AuditFile, bytes }
    }

    #[test]
    fn events_are_found_by_tenant_user_verb_and_time() {
        let event = br#"{"auditID":"a","stage":"ResponseComplete","verb":"get","user":{"username":"eve","groups":["x"]},
            "objectRef":{"resource":"secrets","namespace":"acme-backup","name":"s"},"responseStatus":{"code":403}}"#;
        let hit = Query::default().hit(&record(event)).unwrap();
        assert_eq!((hit.object.as_str(), hit.code), ("acme-backup/secrets/s", Some(403)));
        let asks = |tenant: &str, user: &str, verb: &str| Query {
            tenant: Some(tenant.into()),
            user: Some(user.into()),
            verb: Some(verb.into()),
            ..Query::default()
        };
        assert!(asks("acme", "eve", "get").hit(&record(event)).is_some());
        assert!(asks("acm", "eve", "get").hit(&record(event)).is_none());
        assert!(asks("acme", "ev", "get").hit(&record(event)).is_none());
        assert!(asks("acme", "eve", "list").hit(&record(event)).is_none());
        let time: Timestamp = hit.time.parse().unwrap();
        assert!(Query { since: Some(time), ..Query::default() }.hit(&record(event)).is_some());
        assert!(Query { until: Some(time), ..Query::default() }.hit(&record(event)).is_none());
        let acme = Query { tenant: Some("acme".into()), ..Query::default() };
        for (resource, found) in [("tenants", true), ("namespaces", true), ("nodes", false)] {
            let own = format!(r#"{{"objectRef":{{"resource":"{resource}","name":"acme"}}}}"#);
            assert_eq!(acme.hit(&record(own.as_bytes())).is_some(), found, "{resource}");
        }
        let mut seen = Seen::default();
        assert!(seen.is_new("a", "Panic") && !seen.is_new("a", "Panic") && seen.is_new("a", "b"));
        assert!(seen.is_new("", "") && seen.is_new("", ""), "what has no name is nothing else");
    }

    #[test]
    fn what_the_operator_wrote_down_is_found_by_its_tenant() {
        let of = |source, text: &str| {
            let bytes = text.as_bytes().to_vec();
            move |query: &Query| query.hit(&Record { source, ..record(&bytes) })
        };
        let turn = of(
            Source::Health,
            r#"{"sequence":2,"previous":"x","condition":{"time":"2026-01-01T00:00:00Z","object":{"kind":"Tenant","name":"acme","uid":"u"},"type":"Isolated","from":"True","to":"False","reason":"Reachable"}}"#,
        );
        let run = of(
            Source::Backup,
            r#"{"sequence":2,"previous":"x","run":{"id":"drill-app-1","kind":"drill","tenant":"acme","database":"app","reason":"Succeeded"}}"#,
        );
        let acme = Query { tenant: Some("acme".into()), ..Query::default() };
        let hit = turn(&acme).unwrap();
        assert_eq!(
            (hit.source, hit.verb.as_str(), hit.object.as_str(), hit.said.as_str()),
            ("Health", "condition", "Tenant/acme", "Isolated: True -> False (Reachable)")
        );
        let hit = run(&acme).unwrap();
        assert_eq!(
            (hit.verb.as_str(), hit.object.as_str(), hit.said.as_str()),
            ("drill", "acme/app", "Succeeded")
        );
        assert_eq!(hit.identity(), ("drill-app-1", "acme/app"));
        for other in [
            Query { tenant: Some("acm".into()), ..Query::default() },
            Query { source: Some("Audit".into()), ..Query::default() },
            Query { user: Some("eve".into()), ..Query::default() },
        ] {
            assert!(turn(&other).is_none() && run(&other).is_none(), "{other:?}");
        }
        let head = of(Source::Health, r#"{"sequence":1,"previous":"x","segment":{"format":1,"number":1}}"#);
        assert_eq!(head(&Query::default()), None);
    }
}

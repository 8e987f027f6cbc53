//! Logs on stderr: JSON for machines, text for people.
//!
//! Other crates are heard from `warn` up only, and kube's client not at all: it
//! logs whole answers that it cannot read, and an answer may be a Secret. Its
//! errors come back to us and are logged with what they are about.

use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, ParseError, filter_fn};
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The environment variable that `--log` stands for.
pub const LOG_VARIABLE: &str = "TENANTRY_LOG";
/// What is logged when nobody asks for more.
pub const DEFAULT_FILTER: &str = "info";

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For reading, with colour on a terminal.
    Text,
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("cannot read the log filter {filter:?}")]
    Filter {
        /// What was given.
        filter: String,
        /// Where it goes wrong.
        #[source]
        source: ParseError,
    },
    /// It was started before.
    #[error("logging is set up twice")]
    Twice(#[source] TryInitError),
}

/// Starts logging to stderr. `filter` is a level or a list of
/// `target=level`, as in `TENANTRY_LOG=info,tenantry::apply=debug`.
///
/// # Errors
/// When the filter cannot be read, or logging was started before.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let layer = layer(format, filter, colour, io::stderr)?;
    tracing_subscriber::registry().with(layer).try_init().map_err(TelemetryError::Twice)?;
    if format == LogFormat::Json {
        std::panic::set_hook(Box::new(log_panic)); // a panic is a line like any other
    }
    Ok(())
}

fn layer<S, W>(
    format: LogFormat,
    filter: &str,
    colour: bool,
    writer: W,
) -> Result<Box<dyn Layer<S> + Send + Sync>, TelemetryError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let wrong = |source| TelemetryError::Filter { filter: filter.to_owned(), source };
    let filter = EnvFilter::builder().parse(filter).map_err(wrong)?.and(filter_fn(may_speak));
    let base = tracing_subscriber::fmt::layer().with_writer(writer).with_span_events(FmtSpan::NONE);
    Ok(match format {
        LogFormat::Json => base
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_filter(filter)
            .boxed(),
        LogFormat::Text => base.with_ansi(colour).with_filter(filter).boxed(),
    })
}

/// Who may write into the log at all, whatever the filter says.
fn may_speak(metadata: &Metadata<'_>) -> bool {
    let from = |name: &str| {
        let rest = metadata.target().strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    if from("kube_client") {
        return false;
    }
    from("tenantry") || *metadata.level() <= Level::WARN
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = info.location().map(ToString::to_string);
    tracing::error!(panic = message, place, "a task panicked");
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str, log: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = layer(format, filter, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_json_line_has_its_fields_and_its_span() {
        let text = logged(LogFormat::Json, DEFAULT_FILTER, || {
            let span = tracing::info_span!("tenant", tenant = "acme", commit = "4f2a");
            span.in_scope(|| tracing::info!(applied = 3, "done"));
            tracing::debug!("not this");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"done".into()));
        assert_eq!((&line["applied"], &line["span"]["commit"]), (&3.into(), &"4f2a".into()));
    }

    #[test]
    fn the_filter_picks_targets_and_text_has_no_escapes() {
        let text = logged(LogFormat::Text, "warn,tenantry::apply=debug", || {
            tracing::debug!(target: "tenantry::apply", "this");
            tracing::info!(target: "tenantry::source", "not that");
        });
        assert!(text.contains("this") && !text.contains("that") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn kube_never_speaks_and_others_only_to_warn() {
        let text = logged(LogFormat::Json, "trace,kube_client::client=trace", || {
            tracing::error!(target: "kube_client::client::builder", "canary-1");
            tracing::warn!(target: "kube_client", "canary-2");
            tracing::debug!(target: "ureq::run", "canary-3");
            tracing::info!(target: "tenantry_imposter", "canary-4");
            tracing::warn!(target: "hyper", "heard");
        });
        assert!(!text.contains("canary") && text.contains("heard"), "{text}");
    }

    #[test]
    fn a_wrong_filter_is_named() {
        let made =
            layer::<tracing_subscriber::Registry, _>(LogFormat::Json, "tenantry=loud", false, io::sink);
        let error = made.err().unwrap();
        assert_eq!(error.to_string(), "cannot read the log filter \"tenantry=loud\"");
    }
}

//! `tenantry audit verify`: whether an archive is what was written.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anstyle::Style;
use jiff::{SignedDuration, Timestamp};

use super::place::{LogKeys, Opened, Place, key_of, read};
use crate::audit::log::note::{Kind, PublicKey};
use crate::audit::verify::report::{Expired, Fault, Reason, Report, SourceGap, Stream};
use crate::audit::verify::stream::{Keys, verify};
use crate::audit::verify::{epochs, report};
use crate::cli::status::Form;
use crate::cli::style::{BAD, GOOD, OPEN, count, paint};
use crate::cli::table::table;
use crate::cli::{Outcome, out};
use crate::validate::text::sanitize;

/// Arguments of `tenantry audit verify`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Verify an archive: every object, every signature, every record",
    long_about = "Verify an archive: every object, every signature, every record.\n\n\
                  The tree is made again from the segments and compared with every tile, with every checkpoint that \
                  the agents signed, and with the newest one that the witness cosigned. No cluster is asked.\n\n\
                  An archive that forgets what is old is verified from the first day on of which all is left; \
                  --retention-days says how young nothing may be that is gone.\n\n\
                  Ends with 0 when everything is what was written and nothing is missing, 1 when it isn't, 2 when \
                  that can't be said.",
    after_help = "Examples:\n  tenantry audit verify ./archive --log-key log.pub --witness-key witness.pub\n  \
                  tenantry audit verify s3://audit/eu --log-key log.pub --witness-key witness.pub --output json"
)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    keys: LogKeys,
    /// A file with the witness' public key
    #[arg(long, value_name = "FILE")]
    witness_key: Option<PathBuf>,
    /// Each stream's newest epoch must reach this time: an end that was cut off leaves no trace of its own
    #[arg(long, value_name = "RFC 3339")]
    reaches: Option<Timestamp>,
    /// Records younger than this must be there; older ones may have expired [default: all must be there]
    #[arg(long, value_name = "DAYS")]
    retention_days: Option<u16>,
    /// When the copy was made, from which those days count back [default: now]
    #[arg(long, value_name = "RFC 3339", requires = "retention_days")]
    as_of: Option<Timestamp>,
    /// Form of the output
    #[arg(long, value_name = "FORM", value_enum, default_value = "table")]
    output: Form,
}

/// Time between two lines of progress.
const SAY: Duration = Duration::from_secs(5);

/// Verifies.
///
/// # Errors
/// A key or the archive can't be read.
pub fn main(args: &Args) -> Outcome {
    let logs = args.keys.read()?;
    let witness = args.witness_key.as_ref().map(|file| read(file, Kind::Witness)).transpose()?;
    let witness = witness.and_then(|keys| keys.into_iter().next());
    let since = args.retention_days.map(|days| {
        let day = SignedDuration::from_hours(24);
        let now = args.as_of.unwrap_or_else(Timestamp::now);
        now.checked_sub(day * i32::from(days)).unwrap_or(Timestamp::MIN)
    });
    let report = look(args.place.open()?, &logs, witness.as_ref(), (since, args.reaches))?;
    match args.output {
        Form::Json => out::stdout(&(serde_json::to_string_pretty(&report)? + "\n"))?,
        Form::Table => tell(&report)?,
    }
    if witness.is_none() {
        out::stderr(&format!(
            "{}: no --witness-key: who holds an agent's key could have rewritten all of it",
            paint(OPEN, "note")
        ));
    }
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn look(
    opened: Opened,
    logs: &[PublicKey],
    witness: Option<&PublicKey>,
    (since, reaches): (Option<Timestamp>, Option<Timestamp>),
) -> Result<Report, Box<dyn std::error::Error>> {
    let mut opened = opened;
    let mut all = Vec::new();
    let mut unknown = Vec::new();
    for (stream, door) in &mut opened.streams {
        let Ok(log) = key_of(logs, stream) else {
            unknown.push(epochs::unknown(stream));
            continue;
        };
        let keys = Keys { log: log.clone(), witness: witness.cloned(), since };
        let mut said = Instant::now();
        let mut progress = |records| {
            if said.elapsed() >= SAY {
                said = Instant::now();
                out::stderr(&format!("{stream}: {} so far", counted(records)));
            }
        };
        let (found, previous) = verify(door, stream, &keys, &mut progress)?;
        all.push((stream.clone(), previous, found));
    }
    epochs::check(&mut all, since);
    if let Some(time) = reaches {
        epochs::reach(&mut all, time);
    }
    let mut streams: Vec<Stream> = all.into_iter().map(|(_, _, found)| found).collect();
    streams.append(&mut unknown);
    if !opened.is_part {
        let there: Vec<_> = opened.streams.iter().map(|(stream, _)| stream.clone()).collect();
        streams.extend(epochs::absent(logs, &there));
    }
    Ok(Report { passed: streams.iter().all(report::Stream::is_whole), streams })
}

const HEAD: [&str; 7] = ["STREAM", "RESULT", "PROVEN", "NOT YET", "COSIGNED", "FIRST", "LAST"];

fn tell(report: &Report) -> std::io::Result<()> {
    out::stdout(&table(&HEAD, &report.streams.iter().map(row).collect::<Vec<_>>()))?;
    for stream in &report.streams {
        if let Some(Expired { before, received }) = &stream.expired {
            let words = format!(
                "what was received until {received} is gone, as it may be: proof begins at record {before}"
            );
            out::stderr(&format!("{}: {}: {words}", paint(OPEN, "expired"), stream.stream));
        }
        for gap in &stream.gaps {
            let (first, last, why) = (gap.first, gap.last, &gap.why);
            let words = format!("records {first} to {last} are lost, says the agent: {why}");
            out::stderr(&format!("{}: {}: {words}", paint(BAD, "gap"), stream.stream));
        }
        for SourceGap { seq, source, file, from, to, why } in &stream.source_gaps {
            let to = to.map_or_else(|| "its end".to_owned(), |to| format!("byte {to}"));
            let words =
                format!("{source} {file} is missing from byte {from} to {to}, says record {seq}: {why}");
            out::stderr(&format!("{}: {}: {}", paint(BAD, "gap"), stream.stream, sanitize(&words, 1000)));
        }
        for Fault { reason, index, path, message } in &stream.faults {
            let at = index.map(|index| format!(" at record {index}")).unwrap_or_default();
            let what = paint(BAD, reason_words(*reason));
            let words = format!("{}/{path}: {message}", stream.stream);
            out::stderr(&format!("{what}{at}: {}", sanitize(&words, 1000)));
        }
    }
    let proven = |stream: &Stream| {
        stream.proven - stream.expired.as_ref().map_or(0, |gone| gone.before.min(stream.proven))
    };
    let records: u64 = report.streams.iter().map(proven).sum();
    if report.passed {
        let words = format!("{} are what was written, and none is missing", counted(records));
        out::stderr(&format!("{}: {words}", paint(GOOD, "verified")));
    }
    Ok(())
}

fn row(stream: &Stream) -> Vec<(String, Style)> {
    let plain = |text: String| (text, Style::new());
    let (first, last) = stream.received.clone().unwrap_or_default();
    let second = |time: String| time.chars().take(19).collect::<String>();
    let result = if stream.is_whole() { ("Verified", GOOD) } else { ("Broken", BAD) };
    vec![
        plain(sanitize(&stream.stream, 200)),
        (result.0.to_owned(), result.1),
        plain(stream.proven.to_string()),
        plain(stream.unproven.to_string()),
        plain(stream.witness.as_ref().map_or_else(|| "-".to_owned(), |witness| witness.size.to_string())),
        plain(second(first)),
        plain(second(last)),
    ]
}

fn counted(records: u64) -> String {
    count(usize::try_from(records).unwrap_or(usize::MAX), "record")
}

fn reason_words(reason: Reason) -> String {
    format!("{reason:?}")
}

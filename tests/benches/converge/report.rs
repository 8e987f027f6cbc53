//! The table that people read, and the JSON that the next run is held against.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::{Args, Outcome};

/// Everything that was measured.
pub struct Report {
    start: Instant,
    rows: Vec<[String; 4]>,
    json: Map<String, Value>,
}

/// Says what is going on, on stderr: stdout is the report's.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "converge: {text}");
}

impl Report {
    /// An empty one.
    pub fn new() -> Self {
        Self { start: Instant::now(), rows: Vec::new(), json: Map::new() }
    }

    /// A line of the table: what, under which conditions, the figure, and the goal.
    pub fn row(&mut self, what: &str, conditions: impl Into<String>, figure: impl Into<String>, goal: &str) {
        let row = [what.to_owned(), conditions.into(), figure.into(), goal.to_owned()];
        say(&row.join("  |  "));
        self.rows.push(row);
    }

    /// A part of the JSON.
    pub fn put(&mut self, key: &str, value: Value) {
        match self.json.entry(key).or_insert_with(|| json!([])) {
            Value::Array(list) => list.push(value),
            other => *other = value,
        }
    }

    /// Prints the table and writes the JSON.
    pub fn finish(mut self, args: &Args) -> Outcome<()> {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        self.json.insert("cores".into(), json!(cores));
        self.json.insert("seconds".into(), json!(self.start.elapsed().as_secs()));
        self.json.insert("when".into(), json!(jiff::Timestamp::now().to_string()));
        let table = table(&self.rows);
        let mut out = std::io::stdout();
        writeln!(out, "\n{table}\n\n{cores} cores, shared with the control plane and this client")?;
        let path = args.json.clone().unwrap_or_else(default_path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, serde_json::to_string_pretty(&self.json)?)?;
        writeln!(out, "figures: {}", path.display())?;
        Ok(())
    }
}

/// A Markdown table with columns that line up.
fn table(rows: &[[String; 4]]) -> String {
    let head = ["what", "conditions", "figure", "goal"].map(str::to_owned);
    let all = || std::iter::once(&head).chain(rows);
    let widths: Vec<usize> = (0..4).map(|at| all().map(|row| row[at].len()).max().unwrap_or(0)).collect();
    let line = |row: &[String; 4]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("| {} |", cells.join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let rule = format!("| {} |", rule.join(" | "));
    let rows: Vec<String> = rows.iter().map(line).collect();
    format!("{}\n{rule}\n{}", line(&head), rows.join("\n"))
}

/// `bench/converge.json` in cargo's target folder.
fn default_path() -> PathBuf {
    let target = option_env!("CARGO_TARGET_DIR").unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/target"));
    PathBuf::from(target).join("bench/converge.json")
}

/// Times of one kind.
#[derive(Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// One more.
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Milliseconds at a share of all (0.5: the median).
    pub fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let index = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(index.saturating_sub(1)).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    }

    /// `p50 12 ms, p95 34 ms`.
    pub fn text(&self) -> String {
        format!("p50 {:.0} ms, p95 {:.0} ms, most {:.0} ms", self.at(0.5), self.at(0.95), self.at(1.0))
    }

    /// For the JSON.
    pub fn json(&self) -> Value {
        json!({"n": self.0.len(), "p50ms": self.at(0.5), "p95ms": self.at(0.95), "maxMs": self.at(1.0)})
    }
}

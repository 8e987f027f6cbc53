//! The Tenants as `kubectl get tenants` shows them: the columns come from the API
//! server, which has them from the CRD.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Instant;

use kube::Client;
use serde_json::Value;
use tenantry_testbed::{Error, Result};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const TENANTS: &str = "/apis/tenantry.dev/v1alpha1/tenants?includeObject=Object";

/// All Tenants at one moment.
pub(crate) struct Tenants {
    columns: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    cells: Vec<String>,
    /// Status and message of the condition Ready, if it speaks of the present spec.
    ready: Option<(String, String)>,
}

impl Tenants {
    pub(crate) async fn get(client: &Client) -> Result<Self> {
        let request = http::Request::get(TENANTS)
            .header("accept", TABLE)
            .body(Vec::new())
            .map_err(|error| Error::Invalid(error.to_string()))?;
        let table: Value = client
            .request(request)
            .await
            .map_err(|source| Error::Kube { action: "list Tenants".into(), source: Box::new(source) })?;
        let empty = Vec::new();
        let definitions = table["columnDefinitions"].as_array().unwrap_or(&empty);
        // The wide columns are left out; the message has a column of its own here.
        let shown: Vec<usize> = (0..definitions.len())
            .filter(|index| definitions[*index]["priority"].as_u64() == Some(0))
            .collect();
        let columns = shown.iter().map(|index| text(&definitions[*index]["name"]).to_uppercase()).collect();
        let rows =
            table["rows"].as_array().unwrap_or(&empty).iter().map(|row| Row::new(row, &shown)).collect();
        Ok(Self { columns, rows })
    }

    /// Which of `names` are not Ready, and why.
    pub(crate) fn not_ready(&self, names: &[String]) -> Vec<String> {
        let row = |name: &String| self.rows.iter().find(|row| row.name == *name);
        let reason = |name: &String| match row(name).map(|row| &row.ready) {
            None => Some(format!("{name} is not in the cluster yet")),
            Some(None) => Some(format!("{name} has no condition Ready yet")),
            Some(Some((status, _))) if status == "True" => None,
            Some(Some((status, message))) => Some(format!("{name}: Ready is {status}: {message}")),
        };
        names.iter().filter_map(reason).collect()
    }
}

impl Row {
    fn new(row: &Value, shown: &[usize]) -> Self {
        let object = &row["object"];
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
        let ready = conditions
            .and_then(|all| all.iter().find(|condition| condition["type"] == "Ready"))
            .filter(|condition| condition["observedGeneration"] == object["metadata"]["generation"])
            .map(|condition| (text(&condition["status"]), text(&condition["message"])));
        Self {
            name: text(&object["metadata"]["name"]),
            cells: shown.iter().map(|index| text(&row["cells"][*index])).collect(),
            ready,
        }
    }

    fn message(&self) -> &str {
        self.ready.as_ref().filter(|(status, _)| status != "True").map_or("", |(_, message)| message)
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Shows the Tenants: in place on a terminal, else a line for each change.
pub(crate) struct Watcher {
    start: Instant,
    in_place: bool,
    drawn: usize,
    last: BTreeMap<String, String>,
}

impl Watcher {
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, in_place: std::io::stdout().is_terminal(), drawn: 0, last: BTreeMap::new() }
    }

    /// From now on only lines, because something else stands below the table.
    pub(crate) fn lines_from_now(&mut self) {
        self.in_place = false;
    }

    pub(crate) fn show(&mut self, tenants: &Tenants) {
        let lines = layout(tenants);
        let mut out = std::io::stdout().lock();
        if self.in_place {
            if self.drawn > 0 {
                let _ = write!(out, "\x1b[{}A\x1b[J", self.drawn);
            }
            self.drawn = lines.len();
            let width = width();
            for line in &lines {
                let _ = writeln!(out, "{}", line.chars().take(width).collect::<String>());
            }
        }
        for (row, line) in tenants.rows.iter().zip(lines.iter().skip(1)) {
            let state = state(tenants, row);
            if self.last.get(&row.name) != Some(&state) {
                if !self.in_place {
                    let _ = writeln!(out, "{:5.1} s  {line}", self.start.elapsed().as_secs_f32());
                }
                self.last.insert(row.name.clone(), state);
            }
        }
        let gone: Vec<String> = self
            .last
            .keys()
            .filter(|name| tenants.rows.iter().all(|row| row.name != **name))
            .cloned()
            .collect();
        for name in gone {
            self.last.remove(&name);
            if !self.in_place {
                let _ = writeln!(out, "{:5.1} s  {name}  is gone", self.start.elapsed().as_secs_f32());
            }
        }
        let _ = out.flush();
    }
}

/// What counts as a change: everything but the age.
fn state(tenants: &Tenants, row: &Row) -> String {
    let cells = tenants.columns.iter().zip(&row.cells).filter(|(column, _)| *column != "AGE");
    let cells: Vec<&str> = cells.map(|(_, cell)| cell.as_str()).collect();
    format!("{} {}", cells.join("\t"), row.message())
}

/// The header and a line for each row, in aligned columns.
fn layout(tenants: &Tenants) -> Vec<String> {
    let width = |index: usize| {
        let cells = tenants.rows.iter().filter_map(|row| row.cells.get(index));
        cells.chain(tenants.columns.get(index)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..tenants.columns.len()).map(width).collect();
    let line = |cells: &[String], message: &str| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let message: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("{}  {message}", padded.join("  ")).trim_end().to_string()
    };
    let header = line(&tenants.columns, "MESSAGE");
    std::iter::once(header).chain(tenants.rows.iter().map(|row| line(&row.cells, row.message()))).collect()
}

/// The terminal's width.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).map(|size| usize::from(size.ws_col));
    size.ok().filter(|columns| *columns > 20).unwrap_or(160)
}

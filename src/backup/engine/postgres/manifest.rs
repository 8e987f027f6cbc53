//! The manifest: what a database held in one snapshot. The source and what was restored are asked with the same
//! queries, so that the two can be compared. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backup::task::Size;

/// Version of the form.
pub const VERSION: u32 = 1;

/// Its file in the snapshot, and that of the dump.
pub const FILE: &str = "manifest.json";
/// See [`FILE`].
pub const DUMP: &str = "database.dump";

/// Names of differences that a record tells.
const TOLD: usize = 10;

/// What a database held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// What the server said of itself.
    #[serde(flatten)]
    pub header: Header,
    /// The tables, by `"schema"."name"`.
    pub tables: BTreeMap<String, Table>,
    /// The sentinel row, where the tenant asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<Sentinel>,
}

/// What the server says of itself and of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// The server's clock when the snapshot was made, RFC 3339.
    pub time: String,
    /// The server's position in its log.
    #[serde(default)]
    pub lsn: Option<String>,
    /// `17.2 (Debian 17.2-1)`.
    pub server_version: String,
    /// `170002`.
    pub server_version_num: u32,
    /// The database's name on its server.
    pub name: String,
    /// Bytes on the server's disk.
    pub bytes: u64,
    /// Encoding, collation and character classes.
    pub encoding: String,
    /// See `encoding`.
    pub collate: String,
    /// See `encoding`.
    pub ctype: String,
    /// Number of large objects.
    pub large_objects: u64,
    /// Number of event triggers, without those of extensions; unknown, and 0, in manifests of before.
    #[serde(default)]
    pub event_triggers: u64,
    /// Roles that objects of the database name.
    pub roles: Vec<String>,
    /// Extensions and their schemas.
    pub extensions: Vec<(String, String)>,
    /// The exported snapshot; empty in what is kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub snapshot: String,
}

impl Header {
    /// The major version: dumps can be restored with this and newer ones.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.server_version_num / 10_000
    }
}

/// What a table held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// Rows, without those of tables that inherit from it.
    pub rows: u64,
    /// Sum over hashes of all rows, where it was sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// A row that is written right before the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentinel {
    /// The server's clock, RFC 3339.
    pub at: String,
    /// The run that wrote it.
    pub run: String,
}

/// Settings under which rows look the same everywhere, and nobody's row security hides any.
pub const SETTINGS: &str = "SET client_encoding = 'UTF8'; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; \
    SET IntervalStyle = 'postgres'; SET extra_float_digits = 3; SET bytea_output = 'hex'; SET xmloption = 'content'; \
    SET row_security = off; SET statement_timeout = 0; SET lock_timeout = 0; \
    SET idle_in_transaction_session_timeout = 0; SET search_path = ''";

/// Server time as RFC 3339.
macro_rules! rfc3339 {
    ($of:literal) => {
        concat!("to_char(", $of, " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    };
}

/// Asks for the [`Header`]; `$exported` is the exported snapshot, or an empty text.
macro_rules! header {
    ($exported:literal) => {
        concat!(
            "SELECT json_build_object('time', ",
            rfc3339!("transaction_timestamp()"),
            ", 'lsn', (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text,
 'serverVersion', current_setting('server_version'), 'serverVersionNum', current_setting('server_version_num')::int,
 'name', d.datname, 'bytes', pg_database_size(d.oid), 'encoding', pg_encoding_to_char(d.encoding),
 'collate', d.datcollate, 'ctype', d.datctype,
 'largeObjects', (SELECT count(*) FROM pg_largeobject_metadata),
 'eventTriggers', (SELECT count(*) FROM pg_event_trigger e WHERE NOT EXISTS (SELECT FROM pg_depend d
   WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e')),
 'roles', coalesce((SELECT json_agg(DISTINCT r.rolname) FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid
   WHERE s.refclassid = 'pg_authid'::regclass AND s.dbid = d.oid AND r.rolname !~ '^pg_'), '[]'),
 'extensions', coalesce((SELECT json_agg(json_build_array(e.extname, n.nspname) ORDER BY e.oid) FROM pg_extension e
   JOIN pg_namespace n ON n.oid = e.extnamespace), '[]'),
 'snapshot', ",
            $exported,
            ") FROM pg_database d WHERE d.datname = current_database()"
        )
    };
}

/// Asks for the header and exports the transaction's snapshot.
pub const HEADER_AND_EXPORT: &str = header!("pg_export_snapshot()");

/// Asks for the header.
pub const HEADER: &str = header!("''");

/// Asks for the tables: `["schema", "name"]` a line, without temporary ones and those of extensions.
pub const TABLES: &str = "SELECT json_build_array(n.nspname, c.relname) FROM pg_class c \
    JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid \
    AND d.deptype = 'e') ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"";

/// Asks for the restored sentinel's row: time and run.
pub const SENTINEL: &str = concat!(
    "SELECT json_build_object('at', ",
    rfc3339!("at"),
    ", 'run', run) FROM tenantry.sentinel WHERE id = 1"
);

/// Writes the sentinel's row, and makes its table where there is none: only where the tenant asked for it.
#[must_use]
pub fn write_sentinel(run: &str) -> String {
    format!(
        "SET client_min_messages = warning; CREATE SCHEMA IF NOT EXISTS tenantry; \
         CREATE TABLE IF NOT EXISTS tenantry.sentinel (id int PRIMARY KEY, at timestamptz NOT NULL, run text NOT NULL); \
         INSERT INTO tenantry.sentinel VALUES (1, clock_timestamp(), {run}) \
         ON CONFLICT (id) DO UPDATE SET at = excluded.at, run = excluded.run",
        run = literal(run)
    )
}

/// A name as SQL.
#[must_use]
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL.
#[must_use]
pub fn literal(text: &str) -> String {
    let (e, text) =
        (if text.contains('\\') { " E" } else { "" }, text.replace('\\', "\\\\").replace('\'', "''"));
    format!("{e}'{text}'")
}

/// Asks what a table holds: `[rows]`, or `[rows, sum, sum]`. The sums don't depend on the order of rows.
#[must_use]
pub fn ask_table(table: &str, encoding: &str, sampled: bool) -> String {
    if !sampled {
        return format!("SELECT json_build_array(count(*)) FROM ONLY {table}");
    }
    // A column may be called like an alias, and then wins over it: nobody calls one like this.
    let row = "tenantry_row_3f9c";
    let part = |from| format!("coalesce(sum(('x' || substr(h, {from}, 15))::bit(60)::bigint), 0)::text");
    format!(
        "SELECT json_build_array(count(*), {}, {}) FROM (SELECT encode(sha256(convert_to({row}::text, {})), 'hex') AS h \
         FROM ONLY {table} AS {row}) AS q",
        part(1),
        part(16),
        literal(encoding)
    )
}

/// What [`ask_table`] brought.
#[must_use]
pub fn read_table(line: &str) -> Option<Table> {
    let values: Vec<serde_json::Value> = serde_json::from_str(line).ok()?;
    let rows = values.first()?.as_u64()?;
    let sums: Option<Vec<&str>> = values[1..].iter().map(serde_json::Value::as_str).collect();
    let sums = sums?;
    Some(Table { rows, checksum: (!sums.is_empty()).then(|| sums.join("-")) })
}

/// Which tables have their turn: each slot's day takes the next `count` of them, in a circle.
#[must_use]
pub fn sample(tables: usize, count: u32, slot: Timestamp) -> Vec<usize> {
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(tables);
    let days = usize::try_from(slot.as_second().max(0) / 86_400).unwrap_or_default();
    let start = days.wrapping_mul(count).checked_rem(tables).unwrap_or_default();
    (0..count).map(|step| (start + step) % tables).collect()
}

impl Manifest {
    /// Rows of all tables; the bytes are the dump's.
    #[must_use]
    pub fn size(&self, bytes: u64) -> Size {
        Size { rows: self.tables.values().map(|table| table.rows).sum(), bytes }
    }

    /// Which tables have a checksum.
    #[must_use]
    pub fn sampled(&self) -> Vec<String> {
        let sampled = self.tables.iter().filter(|(_, table)| table.checksum.is_some());
        sampled.map(|(name, _)| name.clone()).collect()
    }

    /// How many single facts can be compared.
    #[must_use]
    pub fn facts(&self) -> u32 {
        u32::try_from(self.tables.len() + self.sampled().len() + 2).unwrap_or(u32::MAX)
    }

    /// What is different in what was restored: at most ten, for people.
    #[must_use]
    pub fn differences(&self, restored: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, table) in &self.tables {
            match restored.tables.get(name) {
                None => found.push(format!("{name} is missing")),
                Some(other) if other.rows != table.rows => {
                    found.push(format!("{name} has {} rows, not {}", other.rows, table.rows));
                }
                Some(other) if table.checksum.is_some() && other.checksum != table.checksum => {
                    found.push(format!("{name} has another content"));
                }
                Some(_) => {}
            }
        }
        let more = restored.tables.keys().filter(|name| !self.tables.contains_key(*name));
        found.extend(more.map(|name| format!("{name} was not in the source")));
        let (own, other) = (self.header.large_objects, restored.header.large_objects);
        if own != other {
            found.push(format!("{other} large objects, not {own}"));
        }
        found.truncate(TOLD);
        found
    }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;

//! What a database holds, asked in one transaction: the same questions for the source and for what was restored.

use std::collections::BTreeMap;

use super::manifest::{self, Header, Manifest, Sentinel};
use super::session::Session;
use crate::backup::engine::failure::Failure;
use crate::backup::record::reasons;

/// A transaction whose snapshot nobody changes any more.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Opens the transaction and asks who the server is; `export` lets pg_dump read the same snapshot.
///
/// # Errors
/// The server refuses.
pub async fn begin(session: &mut Session, export: bool) -> Result<Header, Failure> {
    let doing = "asking the database";
    session.ask(doing, &[manifest::SETTINGS.to_owned(), BEGIN.to_owned()]).await?;
    let question = if export { manifest::HEADER_AND_EXPORT } else { manifest::HEADER };
    let line = session.ask_one(doing, question).await?;
    serde_json::from_str(&line).map_err(|error| unread(doing, &error.to_string()))
}

fn unread(doing: &str, why: &str) -> Failure {
    Failure::new(reasons::SOURCE_UNREACHABLE, format!("{doing}: the answer can't be read: {why}"))
}

/// The tables' names, as SQL.
///
/// # Errors
/// The server refuses.
pub async fn tables(session: &mut Session) -> Result<Vec<String>, Failure> {
    let doing = "listing the tables";
    let lines = session.ask(doing, &[manifest::TABLES.to_owned()]).await?;
    let name = |line: &String| -> Result<String, Failure> {
        let (schema, name): (String, String) =
            serde_json::from_str(line).map_err(|error| unread(doing, &error.to_string()))?;
        Ok(format!("{}.{}", manifest::identifier(&schema), manifest::identifier(&name)))
    };
    lines.iter().map(name).collect()
}

/// The sentinel's row; none where there is none.
///
/// # Errors
/// The server refuses.
pub async fn sentinel(session: &mut Session, tables: &[String]) -> Result<Option<Sentinel>, Failure> {
    if !tables.iter().any(|name| name == "\"tenantry\".\"sentinel\"") {
        return Ok(None);
    }
    let lines = session.ask("reading the sentinel", &[manifest::SENTINEL.to_owned()]).await?;
    Ok(lines.first().and_then(|line| serde_json::from_str(line).ok()))
}

/// Counts the rows of all tables, and makes the checksums of those that `sampled` picks.
///
/// # Errors
/// The server refuses.
pub async fn count(
    session: &mut Session,
    (mut header, tables): (Header, Vec<String>),
    sampled: impl Fn(usize, &str) -> bool,
) -> Result<Manifest, Failure> {
    header.snapshot.clear();
    let doing = "counting rows";
    let ask = |(index, table): (usize, &String)| {
        manifest::ask_table(table, &header.encoding, sampled(index, table))
    };
    let questions: Vec<String> = tables.iter().enumerate().map(ask).collect();
    let lines = session.ask(doing, &questions).await?;
    if lines.len() != tables.len() {
        return Err(unread(doing, "a table gave no answer"));
    }
    let read = |(name, line): (String, &String)| {
        manifest::read_table(line).map(|table| (name, table)).ok_or_else(|| unread(doing, line))
    };
    let tables: BTreeMap<_, _> = tables.into_iter().zip(&lines).map(read).collect::<Result<_, _>>()?;
    Ok(Manifest { version: manifest::VERSION, header, tables, sentinel: None })
}

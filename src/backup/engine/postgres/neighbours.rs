//! Which other databases the server has: one that nobody lists is said, not passed over in silence.

use super::Programs;
use super::manifest::TABLES;
use crate::backup::engine::program::Deadline;
use crate::backup::engine::secrets::Variables;
use crate::backup::record::Neighbours;

/// The database that every server has, for administration; most keep nothing in it.
const MAINTENANCE: &str = "postgres";

/// Asks for the others; one that refuses every connection, or was dropped half-way, can't be backed up.
const OTHERS: &str = "SELECT json_build_array(current_database(), d.datname) FROM pg_database d \
    WHERE d.datallowconn AND NOT d.datistemplate AND d.datconnlimit <> -2 ORDER BY d.datname COLLATE \"C\" LIMIT 1000";

/// The databases beside this one, but for templates and an empty `postgres`. A backup is good without this, so that
/// trouble is only logged. Whether `postgres` is empty can be seen from within alone: where this user may not enter, it
/// counts as empty.
pub async fn neighbours(
    programs: &Programs,
    connection: &Variables,
    deadline: Deadline,
) -> Option<Neighbours> {
    let doing = "listing the server's databases";
    let lines = match programs.sql(connection, doing, OTHERS, deadline).await {
        Ok(lines) => lines,
        Err(failure) => {
            tracing::warn!(
                reason = failure.reason,
                message = failure.message,
                "the server's other databases aren't known"
            );
            return None;
        }
    };
    let pairs: Vec<(String, String)> =
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let own = pairs.first()?.0.clone();
    let mut others: Vec<String> =
        pairs.into_iter().map(|(_, name)| name).filter(|name| *name != own).collect();
    if others.iter().any(|name| name == MAINTENANCE) {
        let within = |(name, value): &(String, String)| {
            (name.clone(), if name == "PGDATABASE" { MAINTENANCE.to_owned() } else { value.clone() })
        };
        let within: Variables = connection.iter().map(within).collect();
        let tables = programs.sql(&within, "looking into postgres", TABLES, deadline).await;
        if tables.map_or(true, |tables| tables.is_empty()) {
            others.retain(|name| name != MAINTENANCE);
        }
    }
    Some(Neighbours::of(own, others))
}

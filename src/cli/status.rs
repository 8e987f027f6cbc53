//! `tenantry status`: the Tenants of a cluster, and what may be believed of them.

use std::process::ExitCode;

use anstyle::Style;
use jiff::Timestamp;
use serde_json::json;

use crate::{
    api::{Platform, Tenant, conditions::ConditionStatus},
    observe::{lists, watch::READ_DEADLINE},
    runtime::call::deadline,
    status::reader::{Operator, View, since, unreadable, view},
    validate::text::sanitize,
};

use super::{
    Outcome,
    cluster::{ClusterArgs, Connection, runtime},
    out,
    style::{BAD, BOLD, GOOD, OPEN, paint},
    table::table,
};

/// Arguments of `tenantry status`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Show the Tenants of a cluster, or everything that is known of one",
    long_about = "Show the Tenants of a cluster, or everything that is known of one.\n\n\
                  When the operator has not renewed its Lease for a minute, everything is Unknown.\n\n\
                  Ends with 0 when all that is shown is Ready, 1 when something is not, 2 when it can't be read.",
    after_help = "Examples:\n  \
                  tenantry status\n  \
                  tenantry status acme\n  \
                  tenantry status --context staging --platform prod\n  \
                  tenantry status --output json | jq '.tenants[] | select(.ready != \"True\").name'"
)]
pub struct Args {
    /// Only this Tenant, with its conditions and services
    #[arg(value_name = "TENANT")]
    pub tenant: Option<String>,
    /// Only Tenants of this Platform
    #[arg(long, value_name = "NAME")]
    pub platform: Option<String>,
    /// Form of the output
    #[arg(long, value_name = "FORM", value_enum, default_value = "table")]
    pub output: Form,
    #[command(flatten)]
    #[allow(missing_docs)] // clap would print it as help
    pub cluster: ClusterArgs,
}

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Columns, for people
    Table,
    /// An object with operator and tenants, for programs
    Json,
}

/// Shows the Tenants.
///
/// # Errors
/// The cluster can't be read, or has no such Tenant or Platform.
pub fn main(args: &Args) -> Outcome {
    let (connection, views) = runtime()?.block_on(look(args))?;
    let silent = match &connection.operator {
        Operator::Running => None,
        Operator::Silent(why) => Some(why),
    };
    let now = connection.now;
    let text = match (args.output, &args.tenant, views.as_slice()) {
        (Form::Json, ..) => {
            let operator = json!({ "running": silent.is_none(), "message": silent });
            let all = json!({ "operator": operator, "tenants": views });
            serde_json::to_string_pretty(&all)? + "\n"
        }
        (Form::Table, Some(_), [one]) => detail(one, now),
        (Form::Table, ..) => overview(&views, now),
    };
    out::stdout(&text)?;
    if let Some(why) = silent {
        out::stderr(&format!("{}: {why}; nothing in a status can be relied on", paint(OPEN, "note")));
    }
    let ready = views.iter().all(|one| one.ready == ConditionStatus::True);
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Reads what is asked for.
async fn look(args: &Args) -> Result<(Connection, Vec<View>), Box<dyn std::error::Error>> {
    let connection = args.cluster.connect().await?;
    let (client, operator) = (&connection.client, &connection.operator);
    let all = lists::all::<Tenant>(client).await?;
    let all = all.into_iter().map(|one| match one {
        Ok(tenant) => view(&tenant, operator),
        Err((name, error)) => unreadable(&name, &error),
    });
    // One that can't be read may be of any Platform: it is not hidden.
    let of_platform = |one: &View| {
        args.platform.as_ref().is_none_or(|platform| one.platform.is_empty() || *platform == one.platform)
    };
    let mut views: Vec<View> = all.filter(of_platform).collect();
    views.sort_by(|a, b| a.name.cmp(&b.name));
    if let (Some(platform), true) = (&args.platform, views.is_empty()) {
        let api: kube::Api<Platform> = kube::Api::all(client.clone());
        if deadline(READ_DEADLINE, api.get_metadata_opt(platform)).await?.is_none() {
            return Err(format!("there is no Platform {platform}; see kubectl get platforms").into());
        }
    }
    if let Some(name) = &args.tenant {
        views.retain(|one| one.name == *name);
        if views.is_empty() {
            return Err(format!("there is no Tenant {name}; tenantry why {name} looks for its file").into());
        }
    }
    Ok((connection, views))
}

fn colour(status: ConditionStatus) -> Style {
    match status {
        ConditionStatus::True => GOOD,
        ConditionStatus::False => BAD,
        ConditionStatus::Unknown => OPEN,
    }
}

fn plain(text: impl Into<String>) -> (String, Style) {
    (text.into(), Style::new())
}

fn overview(views: &[View], now: Timestamp) -> String {
    if views.is_empty() {
        out::stderr("there are no Tenants");
        return String::new();
    }
    let head = ["NAME", "READY", "LIFECYCLE", "SERVICES", "ZONES", "PROMISES", "COMMIT", "AGE", "MESSAGE"];
    let row = |one: &View| {
        let created = one.created.as_deref().unwrap_or_default();
        vec![
            plain(&one.name),
            (one.ready.as_str().to_owned(), colour(one.ready)),
            plain(&one.lifecycle),
            plain(&one.summary.services),
            plain(&one.summary.zones),
            plain(&one.summary.promises),
            plain(&one.summary.commit),
            plain(since(created, now)),
            plain(sanitize(&one.message, 160)),
        ]
    };
    table(&head, &views.iter().map(row).collect::<Vec<_>>())
}

fn detail(one: &View, now: Timestamp) -> String {
    let commit = match one.summary.commit.as_str() {
        "" => "no commit".to_owned(),
        commit => format!("commit {commit}"),
    };
    let (name, platform, namespace) = (paint(BOLD, &one.name), &one.platform, &one.namespace);
    let mut text =
        format!("Tenant {name}: {}, Platform {platform}, namespace {namespace}, {commit}\n\n", one.lifecycle);
    let row = |condition: &crate::api::conditions::Condition| {
        vec![
            plain(&condition.type_),
            (condition.status.as_str().to_owned(), colour(condition.status)),
            plain(&condition.reason),
            plain(since(&condition.last_transition_time, now)),
            plain(&condition.message),
        ]
    };
    let rows: Vec<_> = one.conditions.iter().map(row).collect();
    if rows.is_empty() {
        text.push_str(&format!("{}\n", one.message));
    } else {
        text.push_str(&table(&["CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"], &rows));
    }
    if !one.services.is_empty() {
        let row = |service: &crate::api::tenant_status::ServiceStatus| {
            let zones: Vec<String> =
                service.zones.iter().map(|zone| format!("{} {}", zone.name, zone.ready)).collect();
            let full = if service.ready >= service.desired { Style::new() } else { BAD };
            vec![
                plain(&service.name),
                (format!("{}/{}", service.ready, service.desired), full),
                plain(zones.join(", ")),
                plain(service.skew.to_string()),
            ]
        };
        let rows: Vec<_> = one.services.iter().map(row).collect();
        text.push('\n');
        text.push_str(&table(&["SERVICE", "PODS", "ZONES", "SKEW"], &rows));
    }
    text
}

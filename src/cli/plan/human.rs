//! A plan on a terminal. Pure.

use std::collections::BTreeMap;

use anstyle::Style;

use crate::{
    plan::{
        Change, PlatformPlan, TenantPlan,
        cluster::{ClusterPlan, words as there},
        report::Report,
        words::{self, ASSUMED, Mark},
    },
    validate::text::sanitize,
};

use super::super::{
    report::{self, Form},
    style::{BAD, BOLD, DIM, GOOD, OPEN, count, paint},
    table::table,
};

const PLAIN: Style = Style::new();

/// A table of the Tenants, each with its details, the findings, the brake.
pub(super) fn render(report: &Report, files: &BTreeMap<String, Vec<u8>>) -> String {
    let plan = &report.planned.plan;
    let mut text = report::render(Form::Human, &plan.findings, &plan.notes, files);
    if !plan.tenants.is_empty() {
        let rows: Vec<_> = plan.tenants.iter().map(row).collect();
        text += &table(&["TENANT", "CHANGE", "CREATED", "CHANGED", "DELETED", "RESTARTS", "STOPS"], &rows);
        text.push('\n');
    }
    text.extend(plan.platforms.iter().filter(|one| !one.fields.is_empty()).map(platform));
    let cluster = report.cluster.as_ref();
    text.extend(plan.tenants.iter().map(|one| tenant(one, cluster)));
    if let Some(cluster) = cluster {
        let word = if cluster.refused() == 0 { paint(GOOD, "cluster") } else { paint(BAD, "cluster") };
        text += &format!("{word}: {}\n", there::head(cluster));
        text.extend(cluster.notes.iter().map(|note| format!("  {}\n", sanitize(note, 1024))));
    }
    if !plan.known.is_empty() {
        text += &format!("{} at BASE already, not shown here\n", count(plan.known.len(), "finding"));
    }
    for verdict in &report.verdicts {
        let Some(held) = &verdict.held else { continue };
        let name = &held.platform;
        text += &format!("{}: Platform {name} would hold this: {}\n", paint(OPEN, "brake"), held.message());
        text.extend(words::effects(held).iter().map(|line| format!("  {line}\n")));
        if verdict.assumed {
            text += &format!("  ({ASSUMED})\n");
        }
        text += &format!("  to let it pass: {}\n", held.acknowledge(&report.head));
    }
    for approved in report.approved.iter().filter(|approved| !approved.rules.is_empty()) {
        let word = if approved.passes { paint(GOOD, "approved") } else { paint(OPEN, "approvals") };
        let says = if approved.passes { "has what it asks for" } else { "asks for more" };
        text += &format!("{word}: Platform {} {says}\n", approved.platform);
        text.extend(approved.lines().iter().map(|line| format!("  {}\n", sanitize(line, 1024))));
        if !approved.passes {
            text += &format!("  to approve it: tenantry approve {} --push\n", report.head);
        }
    }
    text
}

/// The last line.
pub(super) fn last(report: &Report) -> String {
    let short = |commit: &str| commit.chars().take(7).collect::<String>();
    let plan = &report.planned.plan;
    format!(
        "{}..{}: {}; plan sha256:{}",
        short(&report.base),
        short(&report.head),
        words::summary(plan),
        plan.hash()
    )
}

fn row(tenant: &TenantPlan) -> Vec<(String, Style)> {
    let [created, changed, deleted] = words::counts(tenant).map(|number| match number {
        0 => "-".to_owned(),
        some => some.to_string(),
    });
    let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let style = match tenant.change {
        Change::Added | Change::Mended => GOOD,
        Change::Changed => PLAIN,
        Change::Missing => OPEN,
        Change::Refused => BAD,
    };
    vec![
        (tenant.name.clone(), PLAIN),
        (words::change(tenant.change).to_owned(), style),
        (created, PLAIN),
        (changed, PLAIN),
        (deleted, PLAIN),
        (or_none(tenant.restarts.join(", ")), PLAIN),
        (or_none(words::stops(&tenant.stops)), PLAIN),
    ]
}

fn platform(platform: &PlatformPlan) -> String {
    let fields = words::fields(&platform.fields);
    let lines: String = fields.iter().map(|line| format!("  {} {line}\n", paint(OPEN, "~"))).collect();
    format!("{}\n{lines}\n", paint(BOLD, format!("Platform {}", platform.name)))
}

fn tenant(tenant: &TenantPlan, cluster: Option<&ClusterPlan>) -> String {
    let namespace = match tenant.namespace.as_str() {
        "" => String::new(),
        namespace => format!(", namespace {namespace}"),
    };
    let head = format!("Tenant {}: {}{namespace}", tenant.name, words::change(tenant.change));
    let mut lines: String = words::details(tenant).iter().map(line).collect();
    if let Some(found) = cluster.and_then(|cluster| cluster.of(&tenant.name)) {
        lines += &format!("  {}\n", paint(DIM, "in the cluster:"));
        lines.extend(there::lines(found, Some(tenant)).iter().map(line));
    }
    format!("{}\n{lines}\n", paint(BOLD, head))
}

fn line((mark, line): &(Mark, String)) -> String {
    match mark {
        Mark::Create => format!("  {} {line}\n", paint(GOOD, "+")),
        Mark::Change => format!("  {} {line}\n", paint(OPEN, "~")),
        Mark::Delete => format!("  {} {line}\n", paint(BAD, "-")),
        Mark::Refused => format!("  {} {line}\n", paint(BAD, "refused:")),
        Mark::Below => format!("      {line}\n"),
        Mark::Note => format!("  {} {line}\n", paint(DIM, "=")),
    }
}

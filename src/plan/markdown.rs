//! A plan as a comment on a pull request. Pure.
//!
//! Whoever opens a pull request writes a part of it: names, values, messages. They stand in code, where a
//! forge makes no link, mention or image of them.

use crate::validate::text::sanitize;

use super::{
    PlatformPlan, TenantPlan,
    cluster::{ClusterPlan, words as there},
    report::Report,
    words::{self, ASSUMED, Mark},
};

/// Most characters: GitHub takes 65,536 a comment.
const MOST: usize = 60_000;
/// Rows of the table; the rest is counted.
const ROWS: usize = 200;
/// By this a workflow finds the comment that it wrote before; the operator has a mark of its own.
pub const MARK: &str = "<!-- tenantry-plan -->";

/// The summary first, then the brake, the findings, a table, and each Tenant folded.
pub fn render(report: &Report) -> String {
    let plan = &report.planned.plan;
    let mut text = format!("**Tenantry plan:** {}\n\n", words::summary(plan));
    for verdict in &report.verdicts {
        let Some(held) = &verdict.held else { continue };
        text += &format!("⚠️ **Platform {} would hold this:** {}.", inline(&held.platform), held.message());
        if verdict.assumed {
            text += &format!(" ({ASSUMED})");
        }
        // The comment is written before the merge, which may make another commit.
        text += "\n\nTo let it pass, with the id of the commit that is then on the branch:\n\n";
        text += &fenced("sh", &[held.acknowledge(&report.head)]);
        text += &folded("what would happen", &fenced("text", &words::effects(held)));
    }
    for approved in report.approved.iter().filter(|approved| !approved.rules.is_empty()) {
        let mark = if approved.passes { "✅ **Approved**" } else { "⏳ **Approvals are missing**" };
        text += &format!("{mark} for Platform {}:\n\n", inline(&approved.platform));
        let lines: Vec<String> = approved.lines().iter().map(|line| sanitize(line, 1024)).collect();
        text += &fenced("text", &lines);
    }
    if !plan.findings.is_empty() {
        let mut lines: Vec<String> = plan.findings.iter().take(ROWS).map(ToString::to_string).collect();
        if plan.findings.len() > ROWS {
            lines.push(format!("and {} more", plan.findings.len() - ROWS));
        }
        text += "Findings; what they speak of stays as it is in the cluster:\n\n";
        text += &fenced("text", &lines);
    }
    let cluster = report.cluster.as_ref();
    text += &cluster.map(tried).unwrap_or_default();
    text += &rows(&plan.tenants);
    let platforms = plan.platforms.iter().filter(|one| !one.fields.is_empty()).map(platform);
    let end = format!("\n`{}`..`{}`, plan `sha256:{}`\n", report.base, report.head, plan.hash());
    let mut left = 0;
    let tenants = plan.tenants.iter().map(|one| tenant(one, cluster));
    for part in platforms.chain(tenants) {
        if left > 0 || text.chars().count() + part.chars().count() + end.len() > MOST - 200 {
            left += 1;
        } else {
            text += &part;
        }
    }
    if left > 0 {
        text +=
            &format!("\n{left} more are not shown here: `tenantry plan {}..{}`\n", report.base, report.head);
    }
    text + &end
}

fn rows(tenants: &[TenantPlan]) -> String {
    if tenants.is_empty() {
        return String::new();
    }
    let mut text =
        "| Tenant | | created | changed | deleted | restarts | stops |\n|---|---|--:|--:|--:|---|---|\n"
            .to_owned();
    for tenant in tenants.iter().take(ROWS) {
        let [created, changed, deleted] = words::counts(tenant);
        text += &format!(
            "| {} | {} | {created} | {changed} | {deleted} | {} | {} |\n",
            inline(&tenant.name),
            words::change(tenant.change),
            tenant.restarts.join(", "),
            words::stops(&tenant.stops)
        );
    }
    if tenants.len() > ROWS {
        text += &format!("| and {} more | | | | | | |\n", tenants.len() - ROWS);
    }
    text + "\n"
}

fn platform(platform: &PlatformPlan) -> String {
    let lines: Vec<String> = words::fields(&platform.fields).iter().map(|line| format!("! {line}")).collect();
    folded(&format!("Platform {}", platform.name), &fenced("diff", &lines))
}

fn tenant(tenant: &TenantPlan, cluster: Option<&ClusterPlan>) -> String {
    let line = |(mark, line): &(Mark, String)| match mark {
        Mark::Create => format!("+ {line}"),
        Mark::Change => format!("! {line}"),
        Mark::Delete => format!("- {line}"),
        Mark::Refused => format!("- refused: {line}"),
        Mark::Below => format!("      {line}"),
        Mark::Note => format!("# {line}"),
    };
    let mut lines: Vec<String> = words::details(tenant).iter().map(line).collect();
    if let Some(found) = cluster.and_then(|cluster| cluster.of(&tenant.name)) {
        lines.push("# in the cluster:".to_owned());
        lines.extend(there::lines(found, Some(tenant)).iter().map(line));
    }
    folded(&format!("{}: {}", tenant.name, words::change(tenant.change)), &fenced("diff", &lines))
}

/// What the cluster says, and first of all what it refuses.
fn tried(cluster: &ClusterPlan) -> String {
    let mark = if cluster.refused() == 0 { "" } else { "❌ " };
    let mut text = format!("{mark}{}\n\n", inline(&there::head(cluster)));
    let refused = cluster.tenants.iter().flat_map(|one| &one.refused);
    let refused = refused.map(|one| sanitize(&format!("{}: {}", one.object, one.message), 1024));
    let lines: Vec<String> =
        refused.take(ROWS).chain(cluster.notes.iter().map(|note| sanitize(note, 1024))).collect();
    if !lines.is_empty() {
        text += &fenced("text", &lines);
    }
    text
}

/// A folded part. In `code` a forge makes no mention, and as entities no user of a forge that reads raw text.
fn folded(head: &str, body: &str) -> String {
    let escaped = sanitize(head, 300).chars().fold(String::new(), |mut out, c| {
        match c {
            '&' | '<' | '>' | '@' | '#' | '!' | '`' => out += &format!("&#{};", u32::from(c)),
            other => out.push(other),
        }
        out
    });
    format!("<details><summary><code>{escaped}</code></summary>\n\n{body}\n</details>\n\n")
}

/// Code between fences that nothing in it can close.
fn fenced(language: &str, lines: &[String]) -> String {
    let body = lines.join("\n");
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}{language}\n{body}\n{fence}\n")
}

/// Code in a line, or in a table's cell.
fn inline(text: &str) -> String {
    format!("`{}`", sanitize(text, 300).replace('`', "'").replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_its_code() {
        assert_eq!(fenced("text", &["a ``` b".into()]), "````text\na ``` b\n````\n");
        assert_eq!(inline("a`|b"), "`a'\\|b`");
        assert_eq!(
            folded("<img>", "x"),
            "<details><summary><code>&#60;img&#62;</code></summary>\n\nx\n</details>\n\n"
        );
    }
}

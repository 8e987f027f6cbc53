//! `tenantry why`: the first thing about a Tenant that is not as it should be, and the next step.

use std::process::ExitCode;

use kube::Api;

use crate::{
    api::{Platform, Tenant, finding::Finding},
    observe::{lists, watch::READ_DEADLINE},
    runtime::call::deadline,
    status::{
        reader::view,
        why::{Answer, explain, first_unmet, need, open},
    },
};

use super::{
    Outcome,
    cluster::{ClusterArgs, Connection, runtime},
    out,
    style::{BOLD, DIM, GOOD, paint},
};

/// Arguments of `tenantry why`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Say what about a Tenant is not as it should be, what stands behind it, and the next step",
    long_about = "Say what about a Tenant is not as it should be, what stands behind it, and the next step.\n\n\
                  Ends with 0 when nothing is unmet, 1 when something is, 2 when it can't be read.",
    after_help = "Examples:\n  tenantry why acme\n  tenantry why acme --context staging"
)]
pub struct Args {
    /// The Tenant
    #[arg(value_name = "TENANT")]
    pub tenant: String,
    #[command(flatten)]
    #[allow(missing_docs)] // clap would print it as help
    pub cluster: ClusterArgs,
}

/// Says why.
///
/// # Errors
/// The cluster can't be read, or has no such Tenant.
pub fn main(args: &Args) -> Outcome {
    let answer = runtime()?.block_on(answer(args))?;
    let (text, code) = match answer {
        Ok(nothing) => (nothing, ExitCode::SUCCESS),
        Err(answer) => (words(&answer), ExitCode::from(1)),
    };
    out::stdout(&text)?;
    Ok(code)
}

/// What is unmet as `Err`, or the words for nothing.
async fn answer(args: &Args) -> Result<Result<String, Answer>, Box<dyn std::error::Error>> {
    let connection = args.cluster.connect().await?;
    let api: Api<Tenant> = Api::all(connection.client.clone());
    let Some(tenant) = deadline(READ_DEADLINE, api.get_opt(&args.tenant)).await? else {
        return Ok(Err(absent(&connection, &args.tenant).await?));
    };
    let Connection { client, operator, now } = &connection;
    let view = view(&tenant, operator);
    let Some(unmet) = first_unmet(&view, operator) else {
        let mut text =
            format!("Tenant {}: {}: {}\n", view.name, paint(GOOD, "nothing is unmet"), view.message);
        for line in open(&view) {
            text.push_str(&format!("  not known: {line}\n"));
        }
        return Ok(Ok(text));
    };
    let behind = lists::read(client, need(&unmet), &tenant).await;
    Ok(Err(explain(&view, &unmet, &behind, *now)))
}

/// There is no such Tenant. Perhaps there is a file that should have made it.
async fn absent(connection: &Connection, name: &str) -> Result<Answer, Box<dyn std::error::Error>> {
    let about = |finding: &Finding| {
        let file = finding.file.rsplit('/').next().unwrap_or_default();
        file.split('.').next() == Some(name) || finding.file.split('/').any(|folder| folder == name)
    };
    let mut found = Vec::new();
    for platform in lists::all::<Platform>(&connection.client).await?.into_iter().flatten() {
        let findings = platform.status.and_then(|status| status.source).unwrap_or_default().findings;
        found.extend(findings.into_iter().filter(about));
    }
    let Some(first) = found.first() else {
        return Err(format!("there is no Tenant {name}; see kubectl get tenants").into());
    };
    Ok(Answer {
        headline: format!("Tenant {name}: there is none, and a file that may name it has findings"),
        message: first.message.clone(),
        behind: found.iter().map(ToString::to_string).collect(),
        next: first.hint.clone().unwrap_or_else(|| format!("mend {}", first.file)),
        promise: None,
    })
}

fn words(answer: &Answer) -> String {
    let mut text = paint(BOLD, &answer.headline) + "\n";
    let mut line = |label: &str, words: &str| {
        text.push_str(&format!("  {}{words}\n", paint(DIM, label)));
    };
    if !answer.message.is_empty() {
        line("", &answer.message);
    }
    if let Some(promise) = answer.promise {
        line("promise: ", promise);
    }
    for object in &answer.behind {
        line("behind:  ", object);
    }
    line("next:    ", &answer.next);
    text
}

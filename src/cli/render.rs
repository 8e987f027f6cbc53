//! `tenantry render`: the objects that the operator would apply.

use std::{fmt::Write as _, process::ExitCode};

use crate::{
    apply::{
        manifest::Manifest,
        order::{self, Listed},
    },
    desired::{self, Plan, Scale, ScaleRule},
    validate::offline::{PLACEHOLDER, Review, Sound, inputs},
};

use super::{
    Outcome, out,
    report::{self, Form},
    validate::{Input, summary},
};

/// Arguments of `tenantry render`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Print the objects that the operator would apply, as YAML, in the order in which it would",
    long_about = "Print the objects that the operator would apply, as YAML, in the order in which it would.\n\n\
                  What only a cluster knows is left out or a placeholder: uids, addresses of nodes and API \
                  servers that network policies leave out, credentials for image registries. So hashes differ \
                  from those in a cluster.\n\n\
                  Tenants with findings are left out; the findings go to stderr, and the exit code is 1.",
    after_help = "Examples:\n  \
                  tenantry render manifests/samples\n  \
                  tenantry render tenants --platform platform.yaml --tenant acme\n  \
                  git stash -q && tenantry render . > before; git stash pop -q && tenantry render . | diff before -"
)]
pub struct Args {
    #[command(flatten)]
    #[allow(missing_docs)] // clap would print it as help
    pub input: Input,
    /// Only this Tenant
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
}

/// Prints the objects.
///
/// # Errors
/// A path can't be read, or no file names the Tenant.
pub fn main(args: &Args) -> Outcome {
    let (files, mut review) = args.input.review()?;
    let unruled = std::mem::take(&mut review.unruled);
    let wanted = |name: &str| args.tenant.as_ref().is_none_or(|tenant| tenant == name);
    review.findings.extend(unruled.into_iter().filter(|(name, _)| wanted(name)).map(|(name, place)| {
        let message = format!("Tenant {name} can't be rendered without Platform \"{}\"", place.message);
        crate::api::finding::Finding { message, ..place }.hint("name its file with --platform")
    }));
    let chosen: Vec<&Sound> = review.sound.iter().filter(|one| wanted(&one.tenant.name)).collect();
    let text: String = chosen.iter().map(|one| render(one, &review)).collect();
    if let (Some(name), [], []) = (&args.tenant, chosen.as_slice(), review.findings.as_slice()) {
        let names: Vec<&str> = review.sound.iter().map(|one| one.tenant.name.as_str()).collect();
        return Err(format!("no file names Tenant {name}; there are: {}", names.join(", ")).into());
    }
    out::stdout(&text)?;
    if review.findings.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    out::stderr(report::render(Form::Human, &review.findings, &[], &files.bytes).trim_end());
    out::stderr(&summary(&files, &review));
    Ok(ExitCode::from(1))
}

/// One Tenant's objects.
fn render(one: &Sound, review: &Review) -> String {
    let Some(ruler) = review.platforms.get(&one.platform) else { return String::new() };
    let inputs = inputs(&ruler.platform);
    let plan = Plan { tenant: &one.tenant, platform: &ruler.rules, inputs: &inputs };
    let Listed { manifests, scales, .. } = order::list(desired::objects(plan));
    let mut text = format!(
        "# Tenant {} of Platform {}, from {}. {PLACEHOLDER}: filled in by the operator.\n",
        one.tenant.name, one.platform, one.file
    );
    for manifest in &manifests {
        // A string takes whatever is written to it, and the objects came from JSON.
        let _ = write!(
            text,
            "---\n{}{}",
            pods(manifest, &scales),
            serde_saphyr::to_string(&manifest.body).unwrap_or_default()
        );
    }
    text
}

/// How many pods a Deployment or StatefulSet gets: it is never a part of the object.
fn pods(manifest: &Manifest, scales: &[Scale]) -> String {
    match scales.iter().find(|scale| scale.of == manifest.id).map(|scale| scale.rule) {
        None => String::new(),
        Some(ScaleRule::Exactly(count)) => {
            format!("# replicas: {count}, written through the scale subresource\n")
        }
        Some(ScaleRule::Between(min, max)) => {
            format!("# replicas: {min} to {max}, by the HorizontalPodAutoscaler\n")
        }
    }
}

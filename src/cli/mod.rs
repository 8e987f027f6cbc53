//! The edge: one file per subcommand, a few calls into the rooms each.
//!
//! - [`run`]: the operator
//! - [`validate`], [`render`], [`plan`], [`crds`], [`completions`]: without a cluster
//! - [`history`]: the operator's change trail
//! - [`rollback`]: a revert commit in a repository of the user's own
//! - [`approve`]: an approval of a commit, in the repository's notes
//! - [`status`], [`why`]: with one, read only
//! - [`probe`]: whether the network keeps tenants apart; runs in pods of the operator's own
//! - [`backup`]: one run of a backup, a drill or a restore; runs in pods that the operator starts
//! - [`restore`]: brings a restore point back
//! - [`audit`]: an archive of audit logs, verified and searched
//! - [`witness`]: cosigns audit logs in their archive's own account
//! - [`watchdog`]: says in every status that there is no operator, where there is none
//! - [`files`], [`cluster`], [`out`], [`report`], [`style`], [`table`]: what they share

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub mod approve;
pub mod audit;
pub mod backup;
pub mod cluster;
pub mod completions;
pub mod crds;
pub mod files;
pub mod history;
pub mod out;
pub mod plan;
pub mod probe;
pub mod render;
pub mod report;
pub mod restore;
pub mod rollback;
pub mod run;
pub mod status;
pub mod style;
pub mod table;
pub mod validate;
pub mod watchdog;
pub mod why;
pub mod witness;

/// What the program says of itself.
const ABOUT: &str = "Keeps the promises of a multi-tenant service on Kubernetes, and says whether it does";

const EXAMPLES: &str = "Examples:\n  \
                        tenantry validate tenants --platform platform.yaml\n  \
                        tenantry render tenants --platform platform.yaml --tenant acme\n  \
                        tenantry plan main..HEAD --path tenants\n  \
                        tenantry status\n  \
                        tenantry why acme\n  \
                        tenantry history acme\n  \
                        tenantry crds | kubectl apply --server-side -f -";

/// Under this name kubectl takes the program for a plugin: `kubectl tenantry`.
const PLUGIN: &str = "kubectl-tenantry";

#[derive(Debug, Parser)]
#[command(name = "tenantry", version, about = ABOUT, long_about = None, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator
    Run(run::Args),
    Validate(validate::Args),
    Render(render::Args),
    Plan(plan::Args),
    Status(status::Args),
    Why(why::Args),
    History(history::Args),
    Rollback(rollback::Args),
    Restore(restore::Args),
    Approve(approve::Args),
    Watchdog(watchdog::Args),
    Probe(probe::Args),
    Backup(backup::Args),
    Audit(audit::Args),
    Witness(witness::Args),
    /// Print the custom resource definitions, or write them into a folder
    Crds(crds::Args),
    /// Print the script that completes arguments in a shell
    Completions(completions::Args),
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let mut command = command(arguments.first().map(OsString::as_os_str));
    let matches = command.clone().get_matches_from(arguments);
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let result = match cli.command {
        Command::Run(args) => run::main(args),
        Command::Validate(args) => validate::main(&args),
        Command::Render(args) => render::main(&args),
        Command::Plan(args) => plan::main(&args),
        Command::Status(args) => status::main(&args),
        Command::Why(args) => why::main(&args),
        Command::History(args) => history::main(&args),
        Command::Rollback(args) => rollback::main(&args),
        Command::Restore(args) => restore::main(&args),
        Command::Approve(args) => approve::main(&args),
        Command::Watchdog(args) => watchdog::main(&args),
        Command::Probe(args) => probe::main(&args),
        Command::Backup(args) => backup::main(&args),
        Command::Audit(args) => audit::main(args),
        Command::Witness(args) => witness::main(&args),
        Command::Crds(args) => crds::main(&args),
        Command::Completions(args) => completions::main(&args, &mut command),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            let word = style::paint(style::BAD, "error");
            out::stderr(&format!("{word}: {}", crate::runtime::call::report(error.as_ref())));
            ExitCode::from(2)
        }
    }
}

/// The command line, under the name that it was called by.
fn command(program: Option<&std::ffi::OsStr>) -> clap::Command {
    let command = Cli::command();
    if program.and_then(|path| Path::new(path).file_stem()).is_none_or(|name| name != PLUGIN) {
        return command;
    }
    let names: Vec<String> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    let as_plugin = |command: clap::Command| {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        command.after_help(help.replace("tenantry ", "kubectl tenantry "))
    };
    let command = as_plugin(command.bin_name("kubectl tenantry"));
    names.iter().fold(command, |command, name| command.mut_subcommand(name, as_plugin))
}

/// What a subcommand ends with: its exit code, or an error that ends the program with 2.
pub type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subcommand_has_a_line_and_examples() {
        let mut command = command(None);
        command.build();
        for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
            assert!(one.get_about().is_some(), "{} has no line", one.get_name());
            let help = one.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Examples:\n  "), "{} has no examples", one.get_name());
        }
        command.debug_assert();
    }

    #[test]
    fn the_plugin_calls_itself_by_its_name() {
        let mut command = command(Some(std::ffi::OsStr::new("/usr/bin/kubectl-tenantry")));
        assert!(command.render_help().to_string().contains("Usage: kubectl tenantry"));
        assert!(command.render_help().to_string().contains("| kubectl apply"));
    }
}

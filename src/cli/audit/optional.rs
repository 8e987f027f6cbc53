//! The flags of an archive, for a command that can do without one.
//!
//! clap's own `Option` doesn't do it: what is required stays so, and flags of flags aren't seen as given.

use clap::error::Error;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

/// Flags that are there together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Optional<T>(pub Option<T>);

/// Names of the flags that `T` has.
fn names<T: Args>() -> Vec<String> {
    let command = T::augment_args(Command::new("flags"));
    command.get_arguments().map(|argument| argument.get_id().to_string()).collect()
}

impl<T: Args> Args for Optional<T> {
    fn augment_args(command: Command) -> Command {
        T::augment_args_for_update(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

impl<T: Args> FromArgMatches for Optional<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        // What comes from the environment, such as a region, asks for nothing by itself.
        let given = |name: &String| matches.value_source(name) == Some(ValueSource::CommandLine);
        let given = names::<T>().iter().any(given);
        given.then(|| T::from_arg_matches(matches)).transpose().map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Args)]
    struct Inner {
        #[arg(long)]
        place: String,
        #[arg(long, default_value_t = 7)]
        days: u32,
    }

    #[derive(Debug, Args)]
    struct Outer {
        #[command(flatten)]
        inner: Inner,
        #[arg(long)]
        key: String,
    }

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        outer: Optional<Outer>,
        #[arg(long)]
        other: Option<String>,
    }

    fn parse(args: &[&str]) -> Result<Option<Outer>, String> {
        let all = ["program"].iter().chain(args);
        Cli::try_parse_from(all).map(|cli| cli.outer.0).map_err(|error| error.to_string())
    }

    #[test]
    fn all_or_nothing() {
        assert!(parse(&[]).unwrap().is_none() && parse(&["--other", "x"]).unwrap().is_none());
        let outer = parse(&["--key", "k", "--place", "p"]).unwrap().unwrap();
        assert_eq!((outer.inner.place.as_str(), outer.inner.days, outer.key.as_str()), ("p", 7, "k"));
        for half in [["--key", "k"], ["--place", "p"], ["--days", "1"]] {
            assert!(parse(&half).unwrap_err().contains("not provided"), "{half:?}");
        }
    }
}

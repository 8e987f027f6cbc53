//! The rules. Each takes files and says what breaks it, so that a planted violation can show that it does.

use std::collections::BTreeSet;

use crate::repo::{File, Reached};
use crate::scan;

/// An exception, with its reason.
pub type Except = (&'static str, &'static str);

/// Rooms that are pure as a whole.
const PURE_ROOMS: [&str; 24] = [
    "src/api/",
    "src/validate/",
    "src/desired/",
    "src/plan/",
    "src/status/",
    "src/trust/",
    // The pure halves of rooms that have two.
    "src/forge/app.rs",
    "src/forge/call.rs",
    "src/forge/comment.rs",
    "src/forge/error.rs",
    "src/forge/gitea.rs",
    "src/forge/github.rs",
    "src/forge/gitlab.rs",
    "src/forge/place.rs",
    "src/forge/types.rs",
    "src/hook/answer.rs",
    "src/hook/keep.rs",
    "src/hook/keys.rs",
    "src/hook/limit.rs",
    "src/hook/signature.rs",
    "src/hook/token.rs",
    "src/trail/chain.rs",
    "src/trail/health.rs",
    "src/trail/record.rs",
];

/// What a pure file may not name. `std::net` is effects; addresses as values are `core::net`. Times may be
/// kept, and come as arguments.
const IMPURE: [&str; 19] = [
    "kube::Client",
    "kube::client",
    "kube::Api",
    "kube::api::Api",
    "kube::runtime",
    "kube::Config",
    "tokio",
    "git2",
    "ureq",
    "axum",
    "tracing",
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::SystemTime",
    "Instant::now",
    "Timestamp::now",
];

/// Whether a file is pure: by its room, or because it says so.
pub fn is_pure(file: &File) -> bool {
    let word = |text: String| text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "Pure");
    PURE_ROOMS.iter().any(|room| file.path.starts_with(room)) || word(file.module_doc())
}

/// Pure files have no effects, and name only pure files of this crate.
pub fn purity(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with("src/") && is_pure(file)) {
        for (index, _) in file.product.lines().enumerate().filter(|(_, line)| line.contains(".elapsed(")) {
            wrong.push(format!("{}:{}: a pure file reads the clock", file.path, index + 1));
        }
        for (line, path) in scan::paths(&file.product) {
            let plain = path.trim_start_matches("::");
            let banned =
                IMPURE.iter().find(|one| is_below(plain, one) || plain.ends_with(&format!("::{one}")));
            let glob = plain == "kube::*" || plain == "std::*";
            if glob || banned.is_some() {
                wrong.push(format!("{}:{line}: a pure file names {plain}", file.path));
            }
            if let Some(other) =
                inside(files, plain).filter(|other| !is_pure(other) && other.path != "src/lib.rs")
            {
                wrong.push(format!(
                    "{}:{line}: a pure file names {}, which is not pure",
                    file.path, other.path
                ));
            }
        }
    }
    wrong
}

fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The file of this crate that a path leads into: the longest part that is a module.
fn inside<'a>(files: &'a [File], path: &str) -> Option<&'a File> {
    let parts: Vec<&str> = path.strip_prefix("crate::")?.split("::").collect();
    (1..=parts.len()).rev().find_map(|count| {
        let base = format!("src/{}", parts[..count].join("/"));
        let places = [format!("{base}.rs"), format!("{base}/mod.rs")];
        files.iter().find(|file| places.contains(&file.path))
    })
}

/// Only the source room knows Git.
pub fn git_in_source(files: &[File]) -> Vec<String> {
    let others =
        files.iter().filter(|file| file.path.starts_with("src/") && !file.path.starts_with("src/source/"));
    named(others, &["git2", "libgit2_sys"], "only src/source knows")
}

fn named<'a>(files: impl Iterator<Item = &'a File>, banned: &[&str], says: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files {
        for (line, path) in scan::paths(&file.product) {
            if banned.iter().any(|one| is_below(&path, one)) {
                wrong.push(format!("{}:{line}: {says} {path}", file.path));
            }
        }
    }
    wrong
}

/// What sends a write.
const WRITES: [&str; 8] = [
    "Method::PATCH",
    "Method::POST",
    "Method::PUT",
    "Method::DELETE",
    ".patch(",
    ".create(",
    ".delete(",
    "PostParams",
];

/// Only the apply room writes to the cluster.
pub fn writes(files: &[File], except: &[Except]) -> Vec<String> {
    let product =
        files.iter().filter(|file| file.path.starts_with("src/") && !file.path.starts_with("src/apply/"));
    let hits = product.flat_map(|file| {
        let lines = file.product.lines().enumerate();
        lines.filter_map(move |(index, line)| {
            let word = WRITES.iter().find(|word| line.contains(*word))?;
            Some((
                file.path.clone(),
                format!("{}:{}: only src/apply may write: {word}", file.path, index + 1),
            ))
        })
    });
    excepted(hits.collect(), except)
}

/// Drops what is excepted, and complains of exceptions that nothing needs.
fn excepted(hits: Vec<(String, String)>, except: &[Except]) -> Vec<String> {
    let used: BTreeSet<&str> = hits.iter().map(|(path, _)| path.as_str()).collect();
    let stale = except.iter().filter(|(path, _)| !used.contains(path));
    let stale = stale.map(|(path, reason)| format!("{path}: no longer needs its exception ({reason})"));
    let wrong = hits.iter().filter(|(path, _)| !except.iter().any(|(one, _)| one == path));
    wrong.map(|(_, message)| message.clone()).chain(stale).collect()
}

/// Every Rust file is compiled.
pub fn unreached(files: &[File], reached: &Reached) -> Vec<String> {
    let rust = files.iter().filter(|file| file.is_rust());
    let lost =
        rust.filter(|file| !reached.product.contains(&file.path) && !reached.test.contains(&file.path));
    lost.map(|file| format!("{}: no `mod` and no target reaches it", file.path)).collect()
}

/// Longest file, function, and root of a crate, in lines.
pub const FILE: usize = 400;
pub const FUNCTION: usize = 60;
pub const ROOT: usize = 80;

/// Nothing is too long to be read.
pub fn sizes(files: &[File], except: &[Except]) -> Vec<String> {
    let mut hits = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() || file.path.ends_with(".go")) {
        let lines = file.text.lines().count();
        let most = if matches!(file.path.as_str(), "src/main.rs" | "src/lib.rs") { ROOT } else { FILE };
        if lines > most {
            hits.push((file.path.clone(), format!("{}: {lines} lines, more than {most}", file.path)));
        }
        for function in scan::functions(&file.code).into_iter().filter(|one| one.lines > FUNCTION) {
            let scan::Function { name, line, lines } = function;
            let message = format!("{}:{line}: fn {name} has {lines} lines, more than {FUNCTION}", file.path);
            hits.push((format!("{}::{name}", file.path), message));
        }
    }
    excepted(hits, except)
}

/// What ends the process, or forgets to.
const ABRUPT: [&str; 6] = [".unwrap()", "panic!(", "todo!(", "unimplemented!(", "dbg!(", ".unwrap_err()"];

/// Nothing in the product panics on purpose.
pub fn abrupt(files: &[File], reached: &Reached) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| reached.product.contains(&file.path)) {
        for (index, line) in file.product.lines().enumerate() {
            if let Some(word) = ABRUPT.iter().find(|word| line.contains(*word)) {
                wrong.push(format!("{}:{}: {word}", file.path, index + 1));
            }
        }
    }
    wrong
}

/// A pass never sleeps: the queue does the waiting.
pub fn sleeps(files: &[File], except: &[Except]) -> Vec<String> {
    let rooms =
        ["src/controller/", "src/apply/", "src/observe/", "src/api/", "src/validate/", "src/desired/"];
    let passes = files.iter().filter(|file| rooms.iter().any(|room| file.path.starts_with(room)));
    let hits = passes.flat_map(|file| {
        let lines = file.product.lines().enumerate().filter(|(_, line)| line.contains("sleep("));
        lines.map(|(index, _)| (file.path.clone(), format!("{}:{}: a pass sleeps", file.path, index + 1)))
    });
    excepted(hits.collect(), except)
}

/// Places that exist on one machine only, in pieces so that this file doesn't name them.
const MACHINE: [&[&str]; 8] = [
    &["/wo", "rk/"],
    &["/ro", "ot/"],
    &["/ho", "me/"],
    &["proxy.go", "lang"],
    &["GO", "PROXY"],
    &["sum.go", "lang"],
    &["static.crates", ".io"],
    &["index.crates", ".io"],
];

/// The repository works on every machine.
pub fn machine(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| !file.path.ends_with(".lock")) {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(place) = MACHINE.iter().map(|parts| parts.concat()).find(|place| line.contains(place))
            {
                wrong.push(format!("{}:{}: names {place}", file.path, index + 1));
            }
        }
    }
    wrong
}

//! The house's rules: which room may do what, and how long things may be. Each rule is tried against a
//! planted violation first: one that can't fail is worse than none.

#![allow(missing_docs, reason = "the names of tests are their documentation")]

mod repo;
mod rules;
mod scan;

use repo::{File, Reached};
use rules::Except;

/// Who may write to the cluster, or only looks as if.
const WRITERS: &[Except] = &[
    ("src/runtime/lease/api.rs", "the Lease is no child and has no inventory"),
    ("src/runtime/lease/elector.rs", "calls the Lease's own trait"),
    ("src/runtime/api_client/gate.rs", "names verbs for metrics"),
    ("src/prove/prober.rs", "tries by dry run; the API server lets it do nothing else"),
    ("src/prove/reviews.rs", "asks by SubjectAccessReview, which nobody keeps"),
    ("src/prove/network.rs", "the probe's one pod, in the operator's own namespace for it; no child"),
    ("src/cli/restore.rs", "a person asks for a Restore, as with kubectl create"),
    ("src/source/folder.rs", "makes files and folders, not objects"),
    ("src/source/read/mod.rs", "makes folders, not objects"),
    ("src/source/parent.rs", "makes folders, not objects"),
    ("src/trail/disk.rs", "makes files and folders, not objects"),
    ("src/audit/spool/disk.rs", "makes files and folders, not objects"),
    ("src/audit/files.rs", "makes files, not objects"),
    ("src/audit/agent/publish.rs", "the agent's own ConfigMap, by which it is heard; no child"),
];

/// What may be longer, with a reason.
const LONG: &[Except] = &[];

/// Who may sleep.
const SLEEPERS: &[Except] =
    &[("src/controller/source/mod.rs", "the loop between passes, woken by the push hook")];

fn check(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} found:\n{}", wrong.len(), wrong.join("\n"));
}

/// The rule speaks of each planted line, and of the first `clean` files not at all.
fn planted(found: &[String], expected: &[&str]) {
    for (index, part) in expected.iter().enumerate() {
        assert!(found.get(index).is_some_and(|one| one.contains(part)), "no \"{part}\" in {found:?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:?}");
}

#[test]
fn pure_rooms_have_no_effects() {
    let files = repo::product(repo::files());
    assert!(files.iter().filter(|file| rules::is_pure(file)).count() > 40, "the pure files are found");
    check(rules::purity(&files));
    let bad = [
        File::new("src/runtime/call.rs", "//! Calls."),
        File::new(
            "src/apply/plan.rs",
            "//! Plans. Pure.\nuse std::{fmt, fs};\nuse crate::runtime::call::Class;",
        ),
        File::new(
            "src/desired/x.rs",
            "fn a() { kube::Client::x(); }\nfn b() { jiff::Timestamp::now() }\nuse tokio::time;",
        ),
        File::new("src/apply/pass.rs", "use tokio::time;"),
        File::new("src/status/z.rs", "use std::time::Instant;\nfn a() { Instant::now().elapsed() }"),
        File::new(
            "src/api/y.rs",
            "#[cfg(test)]\nmod tests { use std::fs; }\n// std::env::var\nuse kube::api::Api;",
        ),
    ];
    planted(
        &rules::purity(&bad),
        &[
            "plan.rs:2: a pure file names std::fs",
            "plan.rs:3: a pure file names src/runtime/call.rs",
            "x.rs:3: a pure file names tokio::time",
            "x.rs:1: a pure file names kube::Client::x",
            "x.rs:2: a pure file names jiff::Timestamp::now",
            "z.rs:2: a pure file reads the clock",
            "z.rs:2: a pure file names Instant::now",
            "y.rs:4: a pure file names kube::api::Api",
        ],
    );
}

#[test]
fn only_the_source_room_knows_git() {
    check(rules::git_in_source(repo::files()));
    let bad = [File::new("src/cli/a.rs", "use git2::Oid;"), File::new("src/source/a.rs", "use git2::Oid;")];
    planted(&rules::git_in_source(&bad), &["src/cli/a.rs:1"]);
}

#[test]
fn only_the_apply_room_writes() {
    check(rules::writes(repo::files(), WRITERS));
    let bad = [
        File::new("src/controller/a.rs", "fn a() {\n    api.patch(name);\n    // api.delete(name)\n}"),
        File::new("src/apply/a.rs", "api.patch(name);"),
    ];
    planted(
        &rules::writes(&bad, &[("src/gone.rs", "it was here once")]),
        &["src/controller/a.rs:2", "src/gone.rs: no longer needs"],
    );
}

#[test]
fn every_file_is_compiled() {
    let files = repo::files();
    check(rules::unreached(files, &repo::reached(files)));
    let bad = [
        File::new("src/lib.rs", "mod a;\n#[cfg(test)]\nmod b;"),
        File::new("src/a.rs", ""),
        File::new("src/b.rs", ""),
        File::new("src/a/lost.rs", ""),
        File::new("tests/testbed/src/lost.rs", ""),
        File::new("tests/whole/main.rs", ""),
    ];
    let reached = repo::reached(&bad);
    planted(&rules::unreached(&bad, &reached), &["src/a/lost.rs", "tests/testbed/src/lost.rs"]);
    assert!(reached.test.contains("src/b.rs") && reached.product.contains("src/a.rs"));
}

#[test]
fn nothing_is_too_long() {
    check(rules::sizes(repo::files(), LONG));
    let long = format!("fn a() {{\n{}}}\n", "    b();\n".repeat(rules::FUNCTION + 1));
    let bad = [
        File::new("src/a.rs", &long),
        File::new("src/lib.rs", &"//! x\n".repeat(rules::ROOT + 1)),
        File::new("tests/b.rs", &"// x\n".repeat(rules::FILE + 1)),
    ];
    planted(
        &rules::sizes(&bad, &[]),
        &["fn a has 61 lines", "src/lib.rs: 81 lines", "tests/b.rs: 401 lines"],
    );
}

#[test]
fn nothing_panics_on_purpose() {
    let files = repo::files();
    let reached = repo::reached(files);
    assert!(reached.product.len() > 80, "the product's files are found");
    check(rules::abrupt(files, &reached));
    let bad = [File::new(
        "src/a.rs",
        "fn a() {\n    b.unwrap();\n}\n#[cfg(test)]\nmod t {\n    fn c() { panic!(); }\n}",
    )];
    let reached = Reached { product: ["src/a.rs".to_owned()].into(), ..Reached::default() };
    planted(&rules::abrupt(&bad, &reached), &["src/a.rs:2"]);
}

#[test]
fn no_pass_sleeps() {
    check(rules::sleeps(repo::files(), SLEEPERS));
    planted(
        &rules::sleeps(&[File::new("src/apply/a.rs", "fn a() { sleep(SECOND) }")], &[]),
        &["src/apply/a.rs:1"],
    );
}

#[test]
fn nothing_names_a_machine() {
    check(rules::machine(repo::files()));
    let bad = [File::new("README.md", &["see /wo", "rk/main"].concat())];
    planted(&rules::machine(&bad), &["README.md:1"]);
}

//! Golden folders.

use std::path::{Path, PathBuf};

use crate::repo::{Change, Repo, put};
use crate::{Ran, cases_folder, plan};

const ARGS: [&str; 4] = ["--path", "tenants", "--platform-path", "platform"];

/// Two commits of a case: their ids.
fn commits(repo: &Repo, case: &Path) -> (String, String) {
    let base = repo.replace("base", "what there is", &files(&case.join("base")));
    let head = repo.replace("head", "what is asked for", &files(&case.join("head")));
    (base, head)
}

/// Every file below a folder.
fn files(top: &Path) -> Vec<Change> {
    let (mut found, mut open) = (Vec::new(), vec![top.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("the case can be read") {
            let path = entry.expect("the case can be read").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(top).expect("it lies below").to_string_lossy().into_owned();
            found.push(put(name, std::fs::read_to_string(&path).expect("the case is text")));
        }
    }
    found
}

fn cases() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cases_folder()).expect("the cases are there");
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("the cases can be read").path()).collect();
    cases.sort();
    assert!(cases.len() > 3, "{} cases", cases.len());
    cases
}

/// Runs a case in one form; commit ids, which hold times, are replaced.
fn run(repo: &Repo, case: &Path, form: &str) -> String {
    let (base, head) = commits(repo, case);
    let range = format!("{base}..{head}");
    let mut args = vec![range.as_str(), "--exit-code", "--output", form];
    args.extend(ARGS);
    let Ran { code, stdout, stderr } = plan(&repo.path, &args);
    assert!(!stdout.contains("canary") && !stderr.contains("canary"), "a secret left: {stdout}{stderr}");
    let text = match form {
        "human" => format!("exit {}\nstderr:\n{stderr}stdout:\n{stdout}", code.unwrap_or(-1)),
        _ => stdout,
    };
    let text = text.replace(&base, "BASE").replace(&head, "HEAD");
    text.replace(&base[..7], "BASE").replace(&head[..7], "HEAD")
}

#[test]
fn plans_are_as_recorded() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let repo = Repo::new(folder.path(), "config");
    let mut wrong = Vec::new();
    for case in cases() {
        for (form, file) in
            [("human", "expected.txt"), ("markdown", "expected.md"), ("json", "expected.json")]
        {
            let said = run(&repo, &case, form);
            let golden = case.join(file);
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&golden, &said).expect("the folder can be written");
            }
            if std::fs::read_to_string(&golden).unwrap_or_default() != said {
                wrong.push(format!("{}\n{said}", golden.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "not as recorded; UPDATE_GOLDEN=1 accepts it:\n{}", wrong.join("\n"));
}

/// A revision against itself changes nothing, whatever is wrong with it.
#[test]
fn nothing_changes_between_a_revision_and_itself() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let repo = Repo::new(folder.path(), "config");
    for case in cases() {
        let (base, head) = commits(&repo, &case);
        for commit in [base, head] {
            let range = format!("{commit}..{commit}");
            let mut args = vec![range.as_str(), "--exit-code"];
            args.extend(ARGS);
            let Ran { code, stdout, stderr } = plan(&repo.path, &args);
            assert_eq!(code, Some(0), "{}: {stdout}{stderr}", case.display());
            assert!(stderr.contains("nothing changes"), "{}: {stderr}", case.display());
        }
    }
}

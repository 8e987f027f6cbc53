//! `tenantry rollback` on a real repository.

use std::{fs, path::Path, process::Command};

use super::{Ran, run_in};

pub(super) fn tenant(name: &str, tag: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n  name: {name}\nspec:\n  platformRef:\n    name: shop\n  services:\n    - name: web\n      image: registry.k8s.io/pause:{tag}\n"
    )
}

/// Git without the machine's configuration.
pub(super) fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().expect("git is installed");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub(super) fn commit(folder: &Path, files: &[(&str, &str)], message: &str) -> String {
    for (path, text) in files {
        fs::create_dir_all(folder.join(path).parent().expect("a folder")).expect("a folder");
        fs::write(folder.join(path), text).expect("a file");
    }
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "-m", message]);
    git(folder, &["rev-parse", "HEAD"])
}

/// A repository with two Tenants, changed one after the other; the commits from the oldest.
fn repository(folder: &Path) -> [String; 3] {
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    git(folder, &["config", "user.name", "Tess Bed"]);
    git(folder, &["config", "user.email", "tess@example.com"]);
    let (a, b) = ("tenants/acme.yaml", "tenants/globex.yaml");
    [
        commit(folder, &[(a, &tenant("acme", "1")), (b, &tenant("globex", "1"))], "Two tenants"),
        commit(folder, &[(a, &tenant("acme", "2")), (b, &tenant("globex", "2"))], "Both to 2"),
        commit(folder, &[(b, &tenant("globex", "3"))], "Globex to 3"),
    ]
}

fn show(folder: &Path, what: &str) -> String {
    git(folder, &["show", what]) + "\n"
}

pub(super) fn refused(ran: &Ran, words: &str) {
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
    assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
}

#[test]
fn a_commit_and_a_tenant_are_taken_back_on_a_branch_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let [_, second, third] = repository(folder);

    let ran = run_in(folder, &["rollback", &third[..8], "--branch", "undo/globex"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains(&format!("takes back {} (Globex to 3)\n  tenants/globex.yaml\n", &third[..7])),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.ends_with("next: git push origin undo/globex, and open a pull request\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(show(folder, "undo/globex:tenants/globex.yaml"), tenant("globex", "2"));
    assert_eq!(git(folder, &["rev-parse", "undo/globex^"]), third, "one commit on top");
    let message = git(folder, &["log", "-1", "--format=%an <%ae>%n%B", "undo/globex"]);
    let start = format!(
        "Tess Bed <tess@example.com>\nRevert \"Globex to 3\"\n\nThis reverts commit {third} by Tess Bed"
    );
    assert!(message.starts_with(&start), "{message}");

    // Of a Tenant only its own file goes back, although the commit changed another one too.
    let ran = run_in(
        Path::new("/"),
        &["rollback", "acme", "--repo", &folder.display().to_string(), "--branch", "acme-back"],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(show(folder, "acme-back:tenants/acme.yaml"), tenant("acme", "1"));
    assert_eq!(show(folder, "acme-back:tenants/globex.yaml"), tenant("globex", "3"));
    let message = git(folder, &["log", "-1", "--format=%B", "acme-back"]);
    assert!(
        message.contains(&format!(
            "takes back what commit {second} (\"Both to 2\") changed in tenants/acme.yaml"
        )),
        "{message}"
    );

    // What is checked out, and the branch, are as they were.
    assert_eq!(git(folder, &["status", "--porcelain"]), "");
    assert_eq!(git(folder, &["rev-parse", "main"]), third);
}

#[test]
fn what_cannot_be_taken_back_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let [first, second, third] = repository(folder);
    git(folder, &["checkout", "--quiet", "-b", "aside", &second]);
    let aside = commit(folder, &[("README.md", "no Tenant")], "Aside");
    git(folder, &["checkout", "--quiet", "main"]);
    commit(folder, &[("tenants/new.yaml", &tenant("new", "1"))], "New");
    let two = format!("{}---\n{}", tenant("one", "1"), tenant("two", "1"));
    commit(folder, &[("tenants/pair.yaml", &two)], "A pair");
    let before = git(folder, &["for-each-ref"]);

    let run = |what: &str, branch: &str| run_in(folder, &["rollback", what, "--branch", branch]);
    refused(&run(&second, "b"), "conflicts with later changes in tenants/globex.yaml");
    refused(&run(&first, "b"), "nothing is older");
    refused(&run(&aside, "b"), "not part of the present branch");
    refused(&run("new", "b"), "lifecycle: Cancelled");
    refused(&run("two", "b"), "tenants/pair.yaml holds other Tenants besides two");
    refused(&run("nobody", "b"), "neither a commit nor a Tenant");
    refused(&run(&third, "main"), "branch main can't be made: there is one of that name");
    refused(&run(&third, "a..b"), "Git allows no such name");
    refused(
        &run_in(&folder.join("tenants"), &["rollback", &third, "--branch", "b"]),
        "can't be used as a Git repository",
    );
    assert_eq!(git(folder, &["for-each-ref"]), before);

    let ran = run(&third, "b");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    git(folder, &["checkout", "--quiet", "b"]);
    refused(&run(&third, "c"), "somebody took it back already");
}

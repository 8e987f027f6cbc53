//! Revisions, repositories and exit codes.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::repo::{Repo, delete, link, put};
use crate::{Ran, plan};

const PLATFORM: &str =
    "apiVersion: tenantry.dev/v1alpha1\nkind: Platform\nmetadata:\n  name: shop\nspec: {}\n";

fn tenant(name: &str, image: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n  name: {name}\nspec:\n  platformRef:\n    \
         name: shop\n  services:\n    - name: web\n      image: registry.example.com/{image}\n"
    )
}

/// A repository whose `main` has a Platform and one Tenant.
fn repository() -> (TempDir, Repo) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let repo = Repo::new(folder.path(), "config");
    repo.commit(
        "main",
        "first",
        &[put("platform.yaml", PLATFORM), put("tenants/acme.yaml", tenant("acme", "a:1"))],
    );
    (folder, repo)
}

fn ran(repo: &Repo, args: &[&str]) -> Ran {
    plan(&repo.path, args)
}

#[test]
fn exit_codes_say_what_happened() {
    let (_folder, repo) = repository();
    repo.commit("main", "second", &[put("tenants/acme.yaml", tenant("acme", "a:2"))]);
    let code = |args: &[&str]| ran(&repo, args).code;
    assert_eq!(code(&["main~1..main"]), Some(0));
    assert_eq!(code(&["main~1..main", "--exit-code"]), Some(3));
    assert_eq!(code(&["main..main", "--exit-code"]), Some(0));
    repo.commit(
        "main",
        "brake",
        &[put(
            "platform.yaml",
            PLATFORM.replace(
                "spec: {}",
                "spec:\n  source:\n    git: {url: https://git.example.com/c.git}\n    brake: {maxEffects: 0}",
            ),
        )],
    );
    repo.commit("main", "third", &[put("tenants/acme.yaml", tenant("acme", "a:3"))]);
    let held = ran(&repo, &["main~1..main", "--exit-code"]);
    assert_eq!(held.code, Some(4), "{}", held.stdout);
    let line =
        format!("kubectl annotate --overwrite platform shop tenantry.dev/acknowledge={}@", repo.id("main"));
    assert!(held.stdout.contains(&line), "{}", held.stdout);
    assert_eq!(code(&["main~1..main"]), Some(0), "only who asks hears of it");
    repo.commit("main", "bad", &[put("tenants/acme.yaml", tenant("acme", "a:3") + "      nope: 1\n")]);
    for more in [vec![], vec!["--exit-code"], vec!["--output", "json"]] {
        let args: Vec<&str> = ["main~1..main"].into_iter().chain(more).collect();
        assert_eq!(code(&args), Some(1), "{args:?}");
    }
    repo.commit("main", "beside", &[put("tenants/b.yaml", tenant("globex", "a:1"))]);
    let beside = ran(&repo, &["main~1..main"]);
    assert_eq!(beside.code, Some(0), "what was wrong before is nobody's fault now: {}", beside.stdout);
    assert!(beside.stdout.contains("1 finding at BASE already"), "{}", beside.stdout);
}

#[test]
fn what_cannot_be_read_names_the_next_step() {
    let (folder, repo) = repository();
    repo.commit("main", "second", &[put("x", "")]);
    repo.replace("apart", "no common ancestor", &[put("x", "")]);
    let clone = folder.path().join("shallow");
    let url = format!("file://{}", repo.path.display());
    git(folder.path(), &["clone", "--quiet", "--depth=1", &url, &clone.display().to_string()]);
    std::fs::write(repo.path.join("none.yaml"), "# nothing\n").expect("a file");
    std::fs::write(repo.path.join("bad.yaml"), PLATFORM.replace("spec: {}", "spec: {nope: 1}"))
        .expect("a file");
    for (place, args, words) in [
        (&repo.path, vec!["main"], "\"main\" names one revision; write BASE..HEAD"),
        (&repo.path, vec!["nope..main"], "there is no revision nope in /"),
        (&repo.path, vec!["main..nope"], "git branch --all and git log show what there is"),
        (&repo.path, vec!["main...apart"], "compare them with two dots"),
        (&repo.path, vec!["main~1..main", "--path", "tenant"], "the folder \"tenant\" is not in commit"),
        (&repo.path, vec!["main~1..main", "--path", "../x"], "it leads out of the repository"),
        (&repo.path, vec!["main~1..main", "--path", "a", "--platform-path", "a"], "the same folder as path"),
        (&repo.path, vec!["main~1..main", "--platform", "gone.yaml"], "gone.yaml can't be read"),
        (&repo.path, vec!["main~1..main", "--platform", "none.yaml"], "none.yaml has no Platform"),
        (&repo.path, vec!["main~1..main", "--platform", "bad.yaml"], "tenantry validate bad.yaml shows them"),
        (&clone, vec!["HEAD~1..HEAD"], "it is a shallow clone, which may lack it: git fetch --unshallow"),
        (&folder.path().to_owned(), vec!["main..main"], "is in no Git repository"),
        (&folder.path().to_owned(), vec!["main..main", "--repo", "nowhere"], "name it with --repo DIR"),
    ] {
        let ran = plan(place, &args);
        assert_eq!(ran.code, Some(2), "{args:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(words), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
}

#[test]
fn three_dots_leave_out_what_the_other_branch_did() {
    let (_folder, repo) = repository();
    let start = repo.id("main");
    repo.git(&["branch", "feature"], b"");
    repo.commit("main", "meanwhile", &[put("tenants/b.yaml", tenant("globex", "a:1"))]);
    repo.commit("feature", "bump", &[put("tenants/acme.yaml", tenant("acme", "a:2"))]);
    let two = ran(&repo, &["main..feature"]);
    assert!(two.stderr.contains("1 Tenant changes, 1 Tenant no longer named"), "{}", two.stderr);
    let three = ran(&repo, &["main...feature"]);
    assert!(three.stderr.contains("1 Tenant changes, 1 service restarts;"), "{}", three.stderr);
    assert!(three.stderr.starts_with(&start[..7]), "{}", three.stderr);
    let head = ran(&repo, &["main.."]);
    assert!(head.stderr.contains("nothing changes"), "a side that is left out is HEAD: {}", head.stderr);
}

#[test]
fn the_first_commit_with_tenants_adds_them() {
    let (_folder, repo) = repository();
    repo.commit("main", "elsewhere", &[put("more/b.yaml", tenant("globex", "a:1"))]);
    std::fs::write(repo.path.join("shop.yaml"), PLATFORM).expect("a file");
    let ran = ran(&repo, &["main~1..main", "--path", "more", "--platform", "shop.yaml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("1 Tenant added, 1 service starts"), "{}", ran.stderr);
}

#[test]
fn without_a_platform_there_is_no_plan() {
    let (_folder, repo) = repository();
    repo.commit("main", "second", &[put("tenants/b.yaml", tenant("globex", "a:1"))]);
    let ran = ran(&repo, &["main~1..main", "--path", "tenants"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("Tenant globex can't be planned without Platform \"shop\""),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("next: name its file with --platform"), "{}", ran.stdout);
}

#[test]
fn a_cluster_that_does_not_answer_is_an_error() {
    let (folder, repo) = repository();
    repo.commit("main", "second", &[put("tenants/acme.yaml", tenant("acme", "a:2"))]);
    let kubeconfig = folder.path().join("kubeconfig");
    // Nothing listens on the first port.
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters: [{name: x, cluster: {server: \"http://127.0.0.1:1\"}}]\n\
                contexts: [{name: x, context: {cluster: x, user: x}}]\nusers: [{name: x, user: {token: canary-token}}]\n";
    std::fs::write(&kubeconfig, text).expect("a file");
    let kubeconfig = kubeconfig.display().to_string();
    for (args, words) in [
        (vec!["--cluster", "--kubeconfig", &kubeconfig], "cannot talk to the API server"),
        (vec!["--cluster", "--kubeconfig", "none"], "cannot use the kubeconfig none"),
        (vec!["--kubeconfig", &kubeconfig], "a plan asks no cluster without --cluster"),
        (vec!["--as", "ada"], "--cluster"),
    ] {
        let ran = ran(&repo, &[&["main~1..main"], args.as_slice()].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words) && !ran.stderr.contains("canary"), "{args:?}: {}", ran.stderr);
    }
}

/// Neither a link nor the work tree is followed: what counts is in the commits.
#[test]
fn only_the_commits_count() {
    let (folder, repo) = repository();
    repo.commit("main", "link", &[link("tenants/evil.yaml", "/etc/passwd"), delete("tenants/acme.yaml")]);
    let clone = folder.path().join("clone");
    git(folder.path(), &["clone", "--quiet", &repo.path.display().to_string(), &clone.display().to_string()]);
    std::fs::write(clone.join("tenants/new.yaml"), tenant("new", "a:1")).expect("a file");
    let before = std::fs::read(clone.join(".git/index")).expect("an index");
    let ran = plan(&clone.join("tenants"), &["HEAD~1..HEAD"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("this is a symbolic link") && !ran.stdout.contains("root:"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("no file names it any more"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("Tenant new"), "{}", ran.stdout);
    assert_eq!(std::fs::read(clone.join(".git/index")).expect("an index"), before);
}

fn git(folder: &Path, args: &[&str]) {
    let mut command = Command::new("git");
    command
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    assert!(command.status().expect("git runs").success(), "git {args:?}");
}

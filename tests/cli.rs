//! The command line as its users meet it: the program itself, on files.
//! `UPDATE_GOLDEN=1 cargo test --test cli` writes `tests/cli/golden` anew.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

#[path = "cli/approve.rs"]
mod approve;
#[path = "cli/history.rs"]
mod history;
#[path = "cli/rollback.rs"]
mod rollback;

/// What a run left behind.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("output is UTF-8"),
        }
    }
}

fn program(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    command.args(args).current_dir(folder).stdin(Stdio::null()).env_remove("CLICOLOR_FORCE");
    command
}

fn run_in(folder: &Path, args: &[&str]) -> Ran {
    program(folder, args).output().expect("the program runs").into()
}

fn run(args: &[&str]) -> Ran {
    run_in(&fixtures(), args)
}

fn with_stdin(args: &[&str], input: &[u8]) -> Ran {
    let mut command = program(&fixtures(), args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let written = child.stdin.take().expect("stdin is a pipe").write_all(input);
    // A program that has seen enough may close its end.
    assert!(written.is_ok_and(|()| true) || input.len() > 1 << 16);
    child.wait_with_output().expect("the program ends").into()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixtures() -> PathBuf {
    root().join("tests/cli")
}

/// Compares a run with what is recorded: exit code, stderr, stdout.
fn golden(name: &str, ran: &Ran) {
    let code = ran.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    let said = format!("exit {code}\nstderr:\n{}stdout:\n{}", ran.stderr, ran.stdout);
    let path = fixtures().join("golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &said).expect("the golden file can be written");
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(recorded == said, "not as in {}; UPDATE_GOLDEN=1 accepts it:\n{said}", path.display());
}

#[test]
fn bad_files_are_reported_for_people() {
    golden("bad.txt", &run(&["validate", "--platform", "platform.yaml", "bad"]));
}

#[test]
fn bad_files_are_reported_for_programs() {
    let ran = run(&["validate", "--output", "json", "--platform", "platform.yaml", "bad"]);
    golden("bad.json", &ran);
    let all: Vec<serde_json::Value> = serde_json::from_str(&ran.stdout).expect("the output is JSON");
    for one in &all {
        let names: Vec<&str> = one.as_object().expect("an object").keys().map(String::as_str).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, ["column", "field", "file", "hint", "line", "message", "severity"]);
    }
}

#[test]
fn bad_files_are_reported_for_github() {
    let ran = run(&[
        "validate",
        "--output",
        "github",
        "--platform",
        "../../manifests/samples/platform.yaml",
        "bad",
    ]);
    golden("bad.github", &ran);
    assert!(ran.stdout.lines().all(|line| line.starts_with("::error file=") && line.contains(",title=")));
}

/// Each bad file is found, whatever is in the others; and a dot-folder and a README are not read.
#[test]
fn no_bad_file_hides_another() {
    let ran = run(&["validate", "--output", "json", "--platform", "platform.yaml", "bad"]);
    let all: Vec<serde_json::Value> = serde_json::from_str(&ran.stdout).expect("the output is JSON");
    let named = |file: &str| all.iter().any(|one| one["severity"] == "error" && one["file"] == file);
    let mut folders = vec![PathBuf::from("bad")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(fixtures().join(&folder)).expect("the fixtures are there") {
            let entry = entry.expect("the fixtures can be read");
            let path = folder.join(entry.file_name());
            let name = path.to_string_lossy().into_owned();
            // Of two Tenants that want one namespace the first has it.
            let quiet =
                name.contains("/.") || name.ends_with(".md") || name.ends_with("same-namespace-a.yaml");
            match (entry.path().is_dir(), quiet) {
                (_, true) => assert!(!named(&name), "{name} has findings"),
                (true, false) => folders.push(path),
                (false, false) => assert!(named(&name), "{name} has no findings"),
            }
        }
    }
    assert!(!ran.stdout.contains("never-read"), "{}", ran.stdout);
}

/// What is too large, or no text, to be kept in a repository.
#[test]
fn monsters_are_refused_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect(name);
    let tenant = |index: usize| {
        format!(
            "---\napiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {{name: t{index}}}\nspec: {{platformRef: {{name: p}}}}\n"
        )
    };
    write("documents.yaml", (0..10_000).map(tenant).collect::<String>().as_bytes());
    write("huge.yaml", &vec![b'#'; 9 << 20]);
    write("invalid.yaml", b"kind: Tenant\nmetadata:\n  name: caf\xe9\n");
    write("nul.yaml", b"kind: \0\n");
    write("nodes.yaml", format!("a: [{}]\n", "x, ".repeat(30_000)).as_bytes());
    write("utf16.yaml", b"\xff\xfek\0i\0n\0d\0");
    let start = std::time::Instant::now();
    golden("monsters.txt", &run_in(folder.path(), &["validate", "."]));
    assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
}

#[cfg(unix)]
#[test]
fn links_and_other_repositories_are_not_followed() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(path("module/.git")).expect("a folder");
    std::fs::write(path("module/a.yaml"), "nothing: good\n").expect("a file");
    symlink("/etc/passwd", path("passwd.yaml")).expect("a link");
    symlink(folder.path(), path("loop")).expect("a link");
    golden("links.txt", &run_in(folder.path(), &["validate", "."]));
}

#[test]
fn the_samples_are_clean() {
    let ran = run_in(root(), &["validate", "manifests/samples"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    assert_eq!(ran.stderr, "3 Tenants, 1 Platform in 4 files: no findings\n");
    // The same file twice is one file.
    let again = run_in(root(), &["validate", "manifests/samples", "./manifests/samples/platform.yaml"]);
    assert_eq!(again.stderr, ran.stderr);
}

#[test]
fn without_a_platform_a_note_says_what_is_not_checked() {
    let ran = run_in(root(), &["validate", "manifests/samples/tenants"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.starts_with("note: Platform \"example\" is not among the files"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "3 Tenants, 0 Platforms in 3 files: no findings, 1 note\n");
    let given = run_in(
        root(),
        &["validate", "manifests/samples/tenants", "--platform", "manifests/samples/platform.yaml"],
    );
    assert_eq!((given.code, given.stdout.as_str()), (Some(0), ""));
}

#[test]
fn what_cannot_be_read_is_an_error_of_its_own() {
    let empty = tempfile::tempdir().expect("a temporary folder");
    for (args, words) in [
        (vec!["validate", "nowhere"], "error: nowhere can't be read"),
        (vec!["validate"], "required arguments were not provided"),
        (vec!["validate", "--output", "xml", "bad"], "invalid value 'xml'"),
        (vec!["validate", "--platform", "bad/pooled.yaml", "bad"], "has no Platform"),
        (vec!["validate", empty.path().to_str().expect("a path")], "has no *.yaml or *.yml file"),
        (vec!["render", "../../manifests/samples", "--tenant", "nobody"], "no file names Tenant nobody"),
        (vec!["crds", "--write", "nowhere"], "can't be written"),
        (vec!["nonsense"], "unrecognized subcommand"),
    ] {
        let ran = run(&args);
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
}

#[test]
fn stdin_is_a_file() {
    let good =
        std::fs::read(root().join("manifests/samples/tenants/acme.yaml")).expect("the sample is there");
    let platform = "../../manifests/samples/platform.yaml";
    let ran = with_stdin(&["validate", "-", "--platform", platform], &good);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), "1 Tenant, 1 Platform in 2 files: no findings\n"));
    let bad = String::from_utf8(good).expect("the sample is UTF-8").replace("role: Editor", "role: Owner");
    let ran = with_stdin(&["validate", "-", "--platform", platform], bad.as_bytes());
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stdout.contains("--> <stdin>:12:13\n") && ran.stdout.contains("role: Owner"),
        "{}",
        ran.stdout
    );
    for nothing in ["", "\n \n"] {
        let ran = with_stdin(&["validate", "-"], nothing.as_bytes());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
        assert!(ran.stderr.contains("standard input is empty; pipe the YAML of Tenants"), "{}", ran.stderr);
    }
    let ran = with_stdin(&["validate", "-"], &vec![b'#'; 4 << 20]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
}

#[test]
fn render_prints_what_would_be_applied() {
    let samples = ["render", "manifests/samples"];
    let ran = run_in(root(), &samples);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(run_in(root(), &samples).stdout, ran.stdout, "not the same twice");
    let objects: Vec<serde_json::Value> =
        serde_saphyr::from_multiple(&ran.stdout).expect("the output is YAML");
    assert!(objects.len() > 30, "{}", objects.len());
    assert!(objects.iter().all(|one| one["kind"] != "Secret"), "a Secret is rendered");
    let text = |one: &serde_json::Value, pointer: &str| {
        one.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    };
    let kinds = tenantry::api::kinds::Kind::ALL.map(|kind| kind.info().kind);
    for tenant in ["acme", "globex", "initech"] {
        let of = |one: &&serde_json::Value| text(one, "/metadata/labels/tenantry.dev~1tenant") == tenant;
        let order: Vec<usize> = objects
            .iter()
            .filter(of)
            .map(|one| kinds.iter().position(|kind| one["kind"] == *kind).expect("a known kind"))
            .collect();
        assert!(order.is_sorted() && order.first() == Some(&0), "{tenant}: {order:?}");
    }
    let one = run_in(root(), &["render", "manifests/samples", "--tenant", "globex"]);
    assert!(ran.stdout.contains(&one.stdout) && !one.stdout.contains("acme"));
    assert!(
        one.stdout.contains("# replicas: 3, written through the scale subresource\n---")
            || one.stdout.contains("# replicas: 3")
    );
}

#[test]
fn render_leaves_out_what_is_wrong() {
    let ran = run(&["render", "../../manifests/samples", "bad/pooled.yaml"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("name: globex-prod") && !ran.stdout.contains("pooled"));
    assert!(
        ran.stderr.contains("Pooled is reserved") && ran.stderr.ends_with("1 finding\n"),
        "{}",
        ran.stderr
    );
    let ran = run(&["render", "../../manifests/samples/tenants", "--tenant", "acme"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(
        ran.stderr.contains("Tenant acme can't be rendered without Platform \"example\""),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("globex"), "{}", ran.stderr);
}

#[test]
fn no_credentials_are_rendered() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let samples = root().join("manifests/samples");
    let platform = std::fs::read_to_string(samples.join("platform.yaml")).expect("the sample is there");
    let with = platform.replace("  images:\n", "  images:\n    pullSecretRefs: [{name: registry}]\n");
    assert_ne!(with, platform);
    std::fs::write(folder.path().join("platform.yaml"), with).expect("a file");
    std::fs::copy(samples.join("tenants/globex.yaml"), folder.path().join("globex.yaml")).expect("a file");
    let ran = run_in(folder.path(), &["render", "."]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let objects: Vec<serde_json::Value> =
        serde_saphyr::from_multiple(&ran.stdout).expect("the output is YAML");
    let secret = objects.iter().find(|one| one["kind"] == "Secret").expect("the Secret has its place");
    // {"auths":{}}: nothing is known here, and nothing is made up.
    assert_eq!(secret["data"][".dockerconfigjson"], "eyJhdXRocyI6e319");
}

#[test]
fn every_help_has_examples() {
    for name in ["run", "validate", "render", "plan", "status", "why", "crds", "completions"] {
        let ran = run(&[name, "--help"]);
        assert_eq!(ran.code, Some(0));
        assert!(ran.stdout.contains("\nExamples:\n  "), "{name}: {}", ran.stdout);
        assert!(run(&["--help"]).stdout.contains(&format!("\n  {name} ")), "{name} is not listed");
    }
    assert_eq!(run(&[]).code, Some(2));
}

#[cfg(unix)]
#[test]
fn as_a_plugin_it_calls_itself_kubectl_tenantry() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plugin = folder.path().join("kubectl-tenantry");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tenantry"), &plugin).expect("a link");
    let ran: Ran = Command::new(plugin).args(["why", "--help"]).output().expect("the program runs").into();
    assert!(ran.stdout.contains("Usage: kubectl tenantry why"), "{}", ran.stdout);
    assert!(ran.stdout.contains("  kubectl tenantry why acme"), "{}", ran.stdout);
}

#[test]
fn completions_know_the_subcommands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["completions", shell]);
        assert_eq!(ran.code, Some(0));
        assert!(ran.stdout.contains("validate") && ran.stdout.contains("platform"), "{shell}");
    }
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    let args = ["validate", "bad/pooled.yaml"];
    let with = |name: &str, value: &str| -> Ran {
        program(&fixtures(), &args).env(name, value).output().expect("the program runs").into()
    };
    assert!(!run(&args).stdout.contains('\u{1b}'));
    assert!(with("CLICOLOR_FORCE", "1").stdout.contains("\u{1b}["));
    let both: Ran = program(&fixtures(), &args)
        .env("NO_COLOR", "1")
        .env("CLICOLOR_FORCE", "1")
        .output()
        .expect("the program runs")
        .into();
    println!("NO_COLOR with CLICOLOR_FORCE: {:?}", both.stdout.contains('\u{1b}'));
    assert!(!with("NO_COLOR", "1").stdout.contains('\u{1b}'));
}

/// `tenantry validate … | head -1`: the reader has gone, and that is nobody's fault.
#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_is_no_error() {
    for args in
        [vec!["render", "../../manifests/samples"], vec!["crds"], vec!["validate", "bad"], vec!["--help"]]
    {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ran: Ran = program(&fixtures(), &args)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .and_then(std::process::Child::wait_with_output)
            .expect("the program runs")
            .into();
        assert!(matches!(ran.code, Some(0 | 1)), "{args:?}: {:?} {}", ran.code, ran.stderr);
        assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains("ipe"), "{args:?}: {}", ran.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_one() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let ran: Ran = program(&fixtures(), &["crds"])
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .expect("the program runs")
        .into();
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.starts_with("error: ") && !ran.stderr.contains("panicked"), "{}", ran.stderr);
}

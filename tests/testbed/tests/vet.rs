//! The Go sources of the helper programs are formatted and pass `go vet`.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Map, Value, json};
use tenantry_testbed::programs::{kubernetes, repository_root};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn run(folder: &Path, program: &str, args: &[&str]) -> Outcome<Output> {
    let output = Command::new(program).args(args).current_dir(folder).env("CGO_ENABLED", "0").output();
    output.map_err(|error| format!("can't run {program}: {error}; get Go from https://go.dev/dl").into())
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Where the compiler put what each package of `go list -deps` exports.
fn exports(folder: &Path) -> Outcome<Map<String, Value>> {
    let args = ["list", "-trimpath", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "."];
    let output = run(folder, "go", &args)?;
    assert!(output.status.success(), "{}", printed(&output));
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(path, file)| (path.into(), file.into()))
        .collect())
}

/// `go vet ./...` would take minutes: it looks into every package of Kubernetes. This is
/// what it runs in the end, for our package alone.
#[test]
fn the_control_plane_program_passes_vet() -> Outcome {
    let folder = repository_root().join("tests/programs/kubernetes");
    kubernetes()?;
    let unformatted = run(&folder, "gofmt", &["-l", "."])?;
    assert_eq!(printed(&unformatted), "", "run gofmt -w . in {}", folder.display());
    let files = run(&folder, "go", &["list", "-f", "{{range .GoFiles}}{{.}} {{end}}", "."])?;
    let files: Vec<String> = String::from_utf8(files.stdout)?.split_whitespace().map(String::from).collect();
    assert!(files.iter().any(|file| file == "main.go"), "{files:?}");
    let packages = exports(&folder)?;
    let same: Map<String, Value> = packages.keys().map(|path| (path.clone(), path.clone().into())).collect();
    let unit = std::env::temp_dir().join(format!("tenantry-vet-{}.cfg", std::process::id()));
    let facts = unit.with_extension("facts");
    let config = json!({
        "ID": "tenantry.dev/testing/kubernetes", "ImportPath": "tenantry.dev/testing/kubernetes",
        "Compiler": "gc", "Dir": folder, "GoVersion": "go1.26", "GoFiles": files,
        "ImportMap": same, "PackageFile": packages, "PackageVetx": {}, "VetxOutput": facts,
    });
    std::fs::write(&unit, config.to_string())?;
    let vet = run(&folder, "go", &["tool", "vet", &unit.display().to_string()])?;
    let _ = (std::fs::remove_file(&unit), std::fs::remove_file(&facts));
    assert!(vet.status.success(), "{}", printed(&vet));
    Ok(())
}

/// The small programs are quick to look at as a whole.
#[test]
fn the_small_programs_pass_vet() -> Outcome {
    let programs = repository_root().join("tests/programs");
    for name in ["web", "coredns", "git-ssh"] {
        let unformatted = run(&programs.join(name), "gofmt", &["-l", "."])?;
        assert_eq!(printed(&unformatted), "", "run gofmt -w . in {name}");
    }
    let vet = run(&programs.join("web"), "go", &["vet", "."])?;
    assert!(vet.status.success(), "{}", printed(&vet));
    Ok(())
}

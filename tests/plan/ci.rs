//! The files for CI systems: they can be read, and what they ask of the program exists.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/ci").join(name);
    std::fs::read_to_string(path).expect("the file is there")
}

fn help(subcommand: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    let output = command.args([subcommand, "--help"]).output().expect("the program runs");
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

#[test]
fn what_they_ask_of_the_program_exists() {
    for name in ["github.yaml", "gitlab.yaml"] {
        let text = text(name);
        let yaml: serde_json::Value = serde_saphyr::from_str(&text).expect("the file is YAML");
        assert!(yaml.is_object(), "{name}");
        for subcommand in ["validate", "plan"] {
            let call = format!("tenantry {subcommand} ");
            let start = text.find(&call).unwrap_or_else(|| panic!("{name} runs {call}"));
            let last = if subcommand == "plan" { "||" } else { "\n" };
            let end = text[start..].find(last).expect("a command ends");
            let flags: BTreeSet<&str> =
                text[start..start + end].split_whitespace().filter(|word| word.starts_with("--")).collect();
            let help = help(subcommand);
            assert!(flags.iter().all(|flag| help.contains(flag)), "{name}: {subcommand} {flags:?}");
        }
        assert!(text.contains("<!-- tenantry-plan -->"), "{name} finds its own comment again");
    }
}

/// What a pull request's author may choose never becomes a part of a script.
#[test]
fn github_scripts_hold_no_expressions() {
    let yaml: serde_json::Value = serde_saphyr::from_str(&text("github.yaml")).expect("the file is YAML");
    let steps = yaml["jobs"]["plan"]["steps"].as_array().expect("the job has steps");
    let scripts: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    assert!(scripts.len() > 3 && scripts.iter().all(|script| !script.contains("${{")), "{scripts:?}");
    assert_eq!(yaml["permissions"], serde_json::json!({}));
    assert!(text("github.yaml").contains("\n  pull_request:\n"), "never pull_request_target");
}

/// What the hooks' files tell people to write into a Platform is a Platform, and the job asks for such a token.
#[test]
fn hooks_ask_for_the_tokens_that_the_platform_takes() {
    for (name, job) in
        [("github-hook.yaml", "/jobs/hook/permissions"), ("gitlab-hook.yaml", "/tenantry-hook/id_tokens")]
    {
        let text = text(name);
        let yaml: serde_json::Value = serde_saphyr::from_str(&text).expect("the file is YAML");
        assert!(
            yaml.pointer(job).is_some_and(|asks| asks.as_object().is_some_and(|asks| asks.len() == 1)),
            "{name}"
        );
        let lines = text.lines().filter_map(|line| line.strip_prefix("#   "));
        let shown: String = lines.map(|line| format!("{line}\n")).collect();
        let shown: serde_json::Value = serde_saphyr::from_str(&shown).expect("what it shows is YAML");
        let hook: tenantry::api::hook::Hook = serde_json::from_value(shown["hook"].clone()).expect("a hook");
        let mut problems = Vec::new();
        tenantry::validate::hook::check(&hook, &mut problems);
        assert!(problems.is_empty() && hook.oidc.is_some(), "{name}: {problems:?}");
    }
    let yaml: serde_json::Value =
        serde_saphyr::from_str(&text("github-hook.yaml")).expect("the file is YAML");
    let script = yaml["jobs"]["hook"]["steps"][0]["run"].as_str().expect("a script");
    assert!(!script.contains("${{"), "{script}");
    assert_eq!(yaml["permissions"], serde_json::json!({}));
}

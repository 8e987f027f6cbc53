//! `tenantry approve` on real repositories, with OpenSSH's own programs on the other side.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::{
    Ran, program,
    rollback::{commit, git, refused, tenant},
    run_in,
};

const NOTES: &str = "refs/notes/tenantry-approvals";
const NAMESPACE: &str = "tenantry.dev/approval";

const PLATFORM: &str = "\
apiVersion: tenantry.dev/v1alpha1
kind: Platform
metadata:
  name: shop
spec:
  source:
    git:
      url: https://git.example.com/config.git
      verification:
        mode: None
        signers: {kind: ConfigMap, name: signers}
        approvals:
          rules:
            - {name: two, paths: [tenants/**], groups: [ops], required: 2}
          groups:
            - {name: ops, members: [ada@example.com, bob@example.com, tess@example.com]}
";

/// A folder with keys, a list of signers, a remote and a clone of it whose head changes a Tenant.
struct World {
    folder: tempfile::TempDir,
    head: String,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().expect("a folder"), head: String::new() };
        let mut list = String::new();
        for (who, kind) in [("ada", "ed25519"), ("bob", "ecdsa"), ("tess", "ed25519")] {
            let key = world.path(who).display().to_string();
            ssh_keygen(&["-q", "-t", kind, "-N", "", "-C", who, "-f", &key], b"");
            let public = fs::read_to_string(world.path(&format!("{who}.pub"))).expect("a key");
            list += &format!("{who}@example.com namespaces=\"git,{NAMESPACE}\" {public}");
        }
        fs::write(world.path("signers"), list).expect("a file");
        git(world.folder.path(), &["init", "--quiet", "--bare", "--initial-branch=main", "remote"]);
        let clone = world.clone("clone");
        let files = [("platform/shop.yaml", PLATFORM), ("tenants/acme.yaml", &tenant("acme", "1"))];
        commit(&clone, &files, "One");
        let head = commit(&clone, &[("tenants/acme.yaml", &tenant("acme", "2"))], "Acme to 2");
        git(&clone, &["push", "--quiet", "origin", "main"]);
        Self { head, ..world }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn clone(&self, name: &str) -> PathBuf {
        git(self.folder.path(), &["clone", "--quiet", "remote", name]);
        let clone = self.path(name);
        git(&clone, &["config", "user.name", "Tess Bed"]);
        git(&clone, &["config", "user.email", "tess@example.com"]);
        clone
    }

    fn approve(&self, clone: &Path, key: &str, more: &[&str]) -> Ran {
        let key = self.path(key).display().to_string();
        run_in(clone, &[&["approve", &self.head, "--key", &key], more].concat())
    }

    /// What the plan says of approvals.
    fn plan(&self, clone: &Path) -> Value {
        let signers = self.path("signers").display().to_string();
        let args = [
            "plan",
            "HEAD~1..HEAD",
            "--path",
            "tenants",
            "--platform-path",
            "platform",
            "--signers",
            &signers,
        ];
        let ran = run_in(clone, &[&args[..], &["--output", "json"]].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let plan: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        for form in ["human", "markdown"] {
            let ran = run_in(clone, &[&args[..], &["--output", form]].concat());
            assert!(ran.stdout.contains("rule two: "), "{}", ran.stdout);
        }
        let coded = run_in(clone, &[&args[..], &["--exit-code"]].concat());
        // What changes is worth a code of its own only once everybody who has to has seen it.
        let passes = plan["approvals"][0]["passes"] == true;
        assert_eq!(coded.code, Some(if passes { 3 } else { 5 }), "{}", coded.stdout);
        plan["approvals"][0].clone()
    }
}

fn ssh_keygen(args: &[&str], input: &[u8]) -> String {
    let mut command = Command::new("ssh-keygen");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("OpenSSH is installed");
    child.stdin.take().expect("a pipe").write_all(input).expect("written");
    let output = child.wait_with_output().expect("it ends");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "ssh-keygen {args:?}: {out}{err}");
    out.trim_end().to_owned()
}

fn note(clone: &Path, commit: &str) -> String {
    git(clone, &["notes", "--ref", NOTES, "show", commit])
}

#[test]
fn what_the_program_signs_ssh_keygen_verifies() {
    let world = World::new();
    let clone = world.path("clone");
    let ran = world.approve(&clone, "ada", &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("by Tess Bed <tess@example.com>: Acme to 2"), "{}", ran.stderr);
    let next = format!("next: git push origin {NOTES}\n");
    assert!(ran.stdout.starts_with(&format!("approved commit {} until ", world.head)), "{}", ran.stdout);
    assert!(ran.stdout.ends_with(&next), "{}", ran.stdout);

    // As the documentation of the format says, with plain tools.
    let line = note(&clone, &world.head);
    let (statement, signature) = line.rsplit_once(' ').expect("a signature");
    let tree = git(&clone, &["rev-parse", "HEAD^{tree}"]);
    assert!(
        statement.starts_with(&format!("{NAMESPACE}/v1 commit {} tree {tree} made 20", world.head)),
        "{statement}"
    );
    let width = |text: &str| {
        text.as_bytes().chunks(70).map(|c| String::from_utf8_lossy(c) + "\n").collect::<String>()
    };
    let armored = format!("-----BEGIN SSH SIGNATURE-----\n{}-----END SSH SIGNATURE-----\n", width(signature));
    fs::write(world.path("sig"), armored).expect("a file");
    let [signers, sig] = ["signers", "sig"].map(|name| world.path(name).display().to_string());
    let verify = ["-Y", "verify", "-f", &signers, "-I", "ada@example.com", "-n", NAMESPACE, "-s", &sig];
    let said = ssh_keygen(&verify, format!("{statement}\n").as_bytes());
    assert!(said.starts_with(&format!("Good \"{NAMESPACE}\" signature for ada@example.com")), "{said}");
    // The work tree and the branch are as they were.
    assert_eq!(git(&clone, &["status", "--porcelain"]), "");
    assert_eq!(git(&clone, &["rev-parse", "main"]), world.head);
}

#[test]
fn what_ssh_keygen_signs_the_program_counts() {
    let world = World::new();
    let clone = world.path("clone");
    let before = world.plan(&clone);
    assert_eq!(
        (&before["passes"], &before["rules"][0]["have"]),
        (&Value::Bool(false), &0.into()),
        "{before}"
    );
    assert_eq!(before["rules"][0]["may"], serde_json::json!(["ada@example.com", "bob@example.com"]));
    let tree = git(&clone, &["rev-parse", "HEAD^{tree}"]);
    for (who, expires) in [("ada", "2999-01-01T00:00:00Z"), ("bob", "2999-01-01T00:00:00Z")] {
        let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).expect("a time");
        let statement =
            format!("{NAMESPACE}/v1 commit {} tree {tree} made {now} expires {expires}", world.head);
        let key = world.path(who).display().to_string();
        let armored = ssh_keygen(
            &["-q", "-Y", "sign", "-n", NAMESPACE, "-f", &key],
            format!("{statement}\n").as_bytes(),
        );
        let signature: String = armored.lines().filter(|line| !line.starts_with('-')).collect();
        let line = format!("{statement} {signature}");
        git(&clone, &["notes", "--ref", NOTES, "append", "-m", &line, &world.head]);
    }
    let after = world.plan(&clone);
    assert_eq!(after["passes"], true, "{after}");
    assert_eq!(after["rules"][0]["by"], serde_json::json!(["ada@example.com", "bob@example.com"]));
    assert_eq!(after["refused"], serde_json::json!([]));
}

#[test]
fn approvals_of_two_who_do_not_know_of_each_other_are_joined() {
    let world = World::new();
    let others = ["ada", "bob", "tess"].map(|who| (who, world.clone(&format!("{who}-clone"))));
    for (who, clone) in &others {
        let ran = world.approve(clone, who, &["--push"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stdout.ends_with(&format!("pushed {NOTES} to origin\n")), "{}", ran.stdout);
    }
    // Once more by the first, who has seen nothing of the others.
    let ran = world.approve(&others[0].1, "ada", &["--push", "--expires", "1h"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let clone = world.path("clone");
    git(&clone, &["fetch", "--quiet", "origin", &format!("{NOTES}:{NOTES}")]);
    assert_eq!(note(&clone, &world.head).lines().count(), 4);
    let plan = world.plan(&clone);
    assert_eq!(plan["passes"], true, "{plan}");
    let refused = plan["refused"].to_string();
    assert!(
        refused.contains("tess@example.com on ") && refused.contains("SelfApproval: they wrote it"),
        "{refused}"
    );
}

/// An agent that ends with the test.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_key_in_an_agent_signs_without_its_file() {
    let world = World::new();
    let socket = world.path("agent");
    let agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::piped()).spawn();
    let mut agent = Agent(agent.expect("OpenSSH is installed"));
    // It says where it listens once it does.
    let mut said = String::new();
    BufReader::new(agent.0.stdout.take().expect("a pipe")).read_line(&mut said).expect("it speaks");
    assert!(said.starts_with("SSH_AUTH_SOCK="), "{said}");
    let add = Command::new("ssh-add").arg("-q").arg(world.path("ada")).env("SSH_AUTH_SOCK", &socket).output();
    let add = add.expect("OpenSSH is installed");
    assert!(add.status.success(), "{}", String::from_utf8_lossy(&add.stderr));
    fs::remove_file(world.path("ada")).expect("the key goes");
    let clone = world.path("clone");
    git(&clone, &["config", "user.signingkey", &world.path("ada.pub").display().to_string()]);
    let args = ["approve", "HEAD", "--expires", "2h"];
    let ran = Ran::from(program(&clone, &args).env("SSH_AUTH_SOCK", &socket).output().expect("it runs"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(world.plan(&clone)["rules"][0]["by"], serde_json::json!(["ada@example.com"]));
}

#[test]
fn what_cannot_be_approved_says_why_and_writes_nothing() {
    let world = World::new();
    let clone = world.path("clone");
    refused(&run_in(&clone, &["approve", "HEAD"]), "no SSH key is set; name a file with --key");
    refused(&run_in(&clone, &["approve", "HEAD", "--key", "none"]), "\"none\" is no file");
    refused(&run_in(&clone, &["approve", "no-such-thing"]), "there is no revision no-such-thing");
    refused(&run_in(world.folder.path(), &["approve", "HEAD"]), "can't be used as a Git repository");
    refused(&world.approve(&clone, "signers", &[]), "ssh-keygen can't sign with ");
    refused(&world.approve(&clone, "ada", &["--expires", "0s"]), "--expires is too short");
    assert_eq!(git(&clone, &["for-each-ref", "refs/notes"]), "");
    // Not pushed, but noted: it says so, and how to go on.
    let ran = world.approve(&clone, "ada", &["--push=nowhere"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stdout);
    assert!(ran.stdout.starts_with("approved commit ") && ran.stderr.contains("nowhere"), "{}", ran.stderr);
    assert_eq!(note(&clone, &world.head).lines().count(), 1);
}

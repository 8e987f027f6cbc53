//! Real repositories for the tests, made with `git fast-import`: quick, and able
//! to hold what no working tree can (links, submodules, odd names).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use tenantry_testbed::git_command;

/// What happens to a path in a commit.
pub enum Change {
    Put { path: String, mode: &'static str, bytes: Vec<u8> },
    Submodule { path: String },
    Delete { path: String },
}

pub fn put(path: impl Into<String>, text: impl Into<String>) -> Change {
    Change::Put { path: path.into(), mode: "100644", bytes: text.into().into_bytes() }
}

pub fn link(path: &str, target: &str) -> Change {
    Change::Put { path: path.to_owned(), mode: "120000", bytes: target.as_bytes().to_vec() }
}

pub fn submodule(path: &str) -> Change {
    Change::Submodule { path: path.to_owned() }
}

pub fn delete(path: &str) -> Change {
    Change::Delete { path: path.to_owned() }
}

/// A bare repository `NAME.git` in a folder.
pub struct Repo {
    pub path: PathBuf,
}

impl Repo {
    pub fn new(root: &Path, name: &str) -> Self {
        let path = root.join(format!("{name}.git"));
        git(root, &["init", "--quiet", "--bare", "--initial-branch=main", &path.display().to_string()], b"");
        // As forges do it: a commit may be asked for by its id.
        let repo = Self { path };
        repo.git(&["config", "uploadpack.allowReachableSHA1InWant", "true"], b"");
        repo
    }

    pub fn git(&self, arguments: &[&str], input: &[u8]) -> String {
        git(&self.path, arguments, input)
    }

    /// One commit on top of a branch (created when missing); returns its id.
    pub fn commit(&self, branch: &str, message: &str, changes: &[Change]) -> String {
        self.import(branch, message, changes, true)
    }

    /// A commit without parents that replaces the branch: a force push.
    pub fn replace(&self, branch: &str, message: &str, changes: &[Change]) -> String {
        self.import(branch, message, changes, false)
    }

    fn import(&self, branch: &str, message: &str, changes: &[Change], on_top: bool) -> String {
        static CLOCK: AtomicU64 = AtomicU64::new(1_700_000_000);
        let time = CLOCK.fetch_add(60, Ordering::Relaxed);
        let name = format!("refs/heads/{branch}");
        let parent = if on_top { self.try_id(&name) } else { None };
        let mut script = Vec::new();
        let mut line = |bytes: &[u8]| {
            script.extend_from_slice(bytes);
            script.push(b'\n');
        };
        line(format!("commit {name}").as_bytes());
        line(format!("committer Ada Test <ada@example.com> {time} +0000").as_bytes());
        line(format!("data {}\n{message}", message.len()).as_bytes());
        if let Some(parent) = parent {
            line(format!("from {parent}").as_bytes());
        }
        for change in changes {
            match change {
                Change::Put { path, mode, bytes } => {
                    line(format!("M {mode} inline {path}\ndata {}", bytes.len()).as_bytes());
                    line(bytes);
                }
                Change::Submodule { path } => {
                    line(format!("M 160000 1111111111111111111111111111111111111111 {path}").as_bytes());
                }
                Change::Delete { path } => line(format!("D {path}").as_bytes()),
            }
        }
        self.git(&["fast-import", "--quiet", "--force"], &script);
        self.try_id(&name).expect("the branch exists after the import")
    }

    /// A commit on top of a branch with a tree made by hand; returns its id.
    pub fn commit_tree(&self, branch: &str, tree: &str) -> String {
        let id = self.git(&["commit-tree", tree, "-m", "by hand"], b"");
        self.git(&["update-ref", &format!("refs/heads/{branch}"), &id], b"");
        id
    }

    /// Writes an object without any check, as a hostile server could.
    pub fn raw_object(&self, kind: &str, bytes: &[u8]) -> String {
        self.git(&["hash-object", "-w", "--literally", "--stdin", "-t", kind], bytes)
    }

    pub fn id(&self, name: &str) -> String {
        self.try_id(name).unwrap_or_else(|| panic!("no {name} in {}", self.path.display()))
    }

    fn try_id(&self, name: &str) -> Option<String> {
        let output =
            command(&self.path).args(["rev-parse", "--verify", "--quiet", name]).output().expect("git runs");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// More than a megabyte that does not compress: the digits of a simple generator.
pub fn noise() -> String {
    let mut noise = 1u64;
    let digits = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{noise:x}")
    });
    digits.take(80_000).collect()
}

fn command(folder: &Path) -> Command {
    git_command(folder, "Ada Test", "ada@example.com")
}

fn git(folder: &Path, arguments: &[&str], input: &[u8]) -> String {
    let mut child = command(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git is on the PATH");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("git ends");
    let _ = writer.join();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

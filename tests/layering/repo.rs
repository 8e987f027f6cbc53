//! The repository's files, and which of them a compiler reaches.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::scan;

/// One file with what the rules need of it.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Its path from the top of the repository, with `/`.
    pub path: String,
    /// What it says.
    pub text: String,
    /// Rust without comments and text; empty for other files.
    pub code: String,
    /// The same without items for tests.
    pub product: String,
}

impl File {
    /// A file with this content; the planted violations use it, too.
    pub fn new(path: &str, text: &str) -> Self {
        let rust = path.ends_with(".rs");
        let code = if rust { scan::code(text) } else { String::new() };
        Self { path: path.into(), text: text.into(), product: scan::without_tests(&code), code }
    }

    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The module's own documentation.
    pub fn module_doc(&self) -> String {
        let doc = self.text.lines().take_while(|line| line.starts_with("//!"));
        doc.map(|line| line.trim_start_matches("//!").trim()).collect::<Vec<_>>().join(" ")
    }
}

/// Every text file of the repository.
pub fn files() -> &'static [File] {
    static FILES: LazyLock<Vec<File>> = LazyLock::new(read);
    &FILES
}

fn read() -> Vec<File> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut found, mut folders) = (Vec::new(), vec![top.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the repository can be read") {
            let path = entry.expect("the repository can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                // Built things and Git's own are no part of the repository.
                if !matches!(name.as_str(), ".git" | "target") {
                    folders.push(path);
                }
            } else if name != ".git"
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                let path =
                    path.strip_prefix(top).expect("below the top").to_string_lossy().replace('\\', "/");
                found.push(File::new(&path, &text));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// What a compiler reaches from the crates' roots: product files, and files for tests only.
#[derive(Debug, Default)]
pub struct Reached {
    pub product: BTreeSet<String>,
    pub test: BTreeSet<String>,
}

/// The files of the product.
pub fn product(files: &[File]) -> Vec<File> {
    let reached = reached(files);
    files.iter().filter(|file| reached.product.contains(&file.path)).cloned().collect()
}

/// Follows `mod` declarations from the roots.
pub fn reached(files: &[File]) -> Reached {
    let by_path: BTreeMap<&str, &File> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut reached = Reached::default();
    let mut open: Vec<(String, bool)> = roots(files);
    while let Some((path, test)) = open.pop() {
        let Some(file) = by_path.get(path.as_str()) else { continue };
        let into = if test { &mut reached.test } else { &mut reached.product };
        if !into.insert(path.clone()) {
            continue;
        }
        for declared in scan::modules(&file.text) {
            let places = places(&path, &declared);
            if let Some(place) = places.iter().find(|place| by_path.contains_key(place.as_str())) {
                open.push((place.clone(), test || declared.test));
            }
        }
    }
    reached
}

/// Roots of crates: Cargo's own places, and `path`s that a manifest names.
fn roots(files: &[File]) -> Vec<(String, bool)> {
    let named: BTreeSet<String> = files
        .iter()
        .filter(|file| file.path.ends_with("Cargo.toml"))
        .flat_map(|file| {
            let folder = file.path.trim_end_matches("Cargo.toml").to_owned();
            let paths = file.text.lines().filter_map(|line| {
                let value = line.trim().strip_prefix("path")?.trim_start().strip_prefix('=')?;
                value.split('"').nth(1).map(str::to_owned)
            });
            paths.map(move |path| format!("{folder}{path}")).collect::<Vec<_>>()
        })
        .collect();
    let place = regex::Regex::new(
        r"^(tests/testbed/)?(src/(lib|main)|src/bin/\w+(/main)?|tests/[\w-]+|tests/[\w-]+/main)\.rs$",
    )
    .expect("the expression is right");
    let rust = files.iter().map(|file| &file.path).filter(|path| path.ends_with(".rs"));
    rust.filter(|path| place.is_match(path) || named.contains(*path))
        .map(|path| (path.clone(), !path.starts_with("src/")))
        .collect()
}

/// The path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == std::path::Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain
}

/// Where the file of a declared module may be.
fn places(file: &str, declared: &scan::Declared) -> Vec<String> {
    let path = Path::new(file);
    let folder = path.parent().unwrap_or(Path::new(""));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let is_root = folder.ends_with("tests") || folder.ends_with("bin");
    let own = if matches!(&*stem, "main" | "lib" | "mod") || is_root {
        folder.to_owned()
    } else {
        folder.join(&*stem)
    };
    let text = |path: PathBuf| path.to_string_lossy().replace('\\', "/");
    match &declared.path {
        Some(path) => vec![text(plain(&folder.join(path)))],
        None => {
            let name = &declared.name;
            vec![text(own.join(format!("{name}.rs"))), text(own.join(name).join("mod.rs"))]
        }
    }
}

//! What is generated, written by hand beside the code, or promised: CRDs and their rules, rights, guards, README.

#![allow(missing_docs, reason = "the names of tests are their documentation")]

#[path = "../properties/generate.rs"]
#[allow(dead_code, reason = "this binary needs Tenants and Platforms only")]
mod generate;
mod guards;
mod parity;
mod rights;
mod schema;
mod words;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A path from the top of the repository.
fn top(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every document of every YAML file of a folder, with the file's name.
fn documents(folder: &str) -> Vec<(String, Value)> {
    let entries = std::fs::read_dir(top(folder)).expect("the folder is there");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort();
    let mut all = Vec::new();
    for file in files.into_iter().filter(|file| file.extension().is_some_and(|end| end == "yaml")) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let found: Vec<Value> =
            serde_saphyr::from_multiple(&read(&file)).unwrap_or_else(|error| panic!("{name}: {error}"));
        all.extend(found.into_iter().map(|document| (name.clone(), document)));
    }
    all
}

//! An image of this machine's PostgreSQL, laid out like PostgreSQL's own: programs on the `PATH`, a shell, and the user
//! `postgres` with the number 999.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ImageConfig, ImageFile, oci_layout, program_files};
use crate::error::{Error, Result, io};

/// What the server and its clients are.
const PROGRAMS: [&str; 8] =
    ["initdb", "postgres", "pg_ctl", "pg_dump", "pg_restore", "psql", "createdb", "pg_isready"];

/// What is big and not needed: just-in-time compilation, documentation.
const LEFT_OUT: [&str; 4] = ["llvmjit.so", "bitcode", "pgxs", "man"];

/// Files beside PostgreSQL's own: a shell for `initdb`, a locale, and times of a few zones.
const SYSTEM: [&str; 4] = [
    "/usr/lib/locale/C.utf8",
    "/usr/share/zoneinfo/UTC",
    "/usr/share/zoneinfo/Etc/UTC",
    "/usr/share/zoneinfo/GMT",
];

/// Packs an image under this name from the PostgreSQL whose programs are in a folder, and returns its digest.
///
/// # Errors
/// As [`oci_layout`] and [`program_files`], or `pg_config` doesn't say where the rest is.
pub fn database_image(name: &str, programs: &Path, folder: &Path, out: &Path) -> Result<String> {
    let mut files: Vec<ImageFile> = Vec::new();
    for program in PROGRAMS {
        let path = programs.join(program);
        files.extend(program_files(&path.display().to_string(), &path)?);
    }
    files.extend(program_files(
        "/bin/sh",
        &fs::canonicalize("/bin/sh").map_err(io("read", Path::new("/bin/sh")))?,
    )?);
    let libraries = asked(programs, "--pkglibdir")?;
    for library in below(&libraries)? {
        if library.extension().is_some_and(|end| end == "so") {
            let place = library.display().to_string();
            // What an extension needs that this machine lacks is that extension's trouble.
            files.extend(
                program_files(&place, &library).unwrap_or_else(|_| vec![(place, library.clone(), 0o755)]),
            );
        }
    }
    let shared = asked(programs, "--sharedir")?;
    for file in std::iter::once(shared).chain(SYSTEM.map(PathBuf::from)).filter(|path| path.exists()) {
        for file in below(&file)? {
            files.push((file.display().to_string(), file, 0o644));
        }
    }
    for (place, text) in [
        ("/etc/passwd", "root:x:0:0:root:/:/bin/sh\npostgres:x:999:999:PostgreSQL:/tmp:/bin/sh\n"),
        ("/etc/group", "root:x:0:\npostgres:x:999:\n"),
    ] {
        let file = folder.join(place.replace('/', "-"));
        fs::write(&file, text).map_err(io("write", &file))?;
        files.push((place.to_owned(), file, 0o644));
    }
    let config = ImageConfig {
        name: name.to_owned(),
        user: "999:999".to_owned(),
        entrypoint: vec![programs.join("postgres").display().to_string()],
        env: vec![format!("PATH={}:/usr/bin:/bin", programs.display())],
    };
    oci_layout(&files, &config, out)
}

/// A folder that `pg_config` names.
fn asked(programs: &Path, what: &str) -> Result<PathBuf> {
    let beside = programs.join("pg_config");
    let program = if beside.is_file() { beside } else { PathBuf::from("pg_config") };
    let output = Command::new(&program).arg(what).output().map_err(io("run", &program))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match output.status.success() && !said.is_empty() {
        true => Ok(PathBuf::from(said)),
        false => Err(Error::Command { command: format!("pg_config {what}"), output: said }),
    }
}

/// The files below a folder, or the file itself; links as what they point to.
fn below(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(io("read", path))? {
        let entry = entry.map_err(io("read", path))?;
        if !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
            files.extend(below(&entry.path())?);
        }
    }
    Ok(files)
}

//! Container images without an engine: one tar in OCI layout, from files of this machine.
//!
//! `ctr -n k8s.io images import FILE` takes it, and so does every engine's `load`. The same files and
//! configuration give the same bytes, and so the same digest.

mod containerfile;
mod database;
mod tar;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use self::containerfile::{image_config, operator_image};
pub use self::database::database_image;
use self::tar::Tar;
use crate::error::{Error, Result, io};

/// Where in the image, from which file, and its mode. Owner is root.
pub type ImageFile = (String, PathBuf, u32);

/// What the image says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// Full reference, such as `example.test/tenantry:dev`: under this name an import finds it.
    pub name: String,
    /// `UID:GID`, as numbers: a kubelet can't tell that a name is not root's.
    pub user: String,
    /// The program, and arguments that come before those of the container.
    pub entrypoint: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
}

/// Writes an image of one layer as an OCI layout tar, and returns the digest of its manifest: `sha256:…`.
///
/// # Errors
/// A file can't be read or written, changes meanwhile, or has a place that a tar can't name.
pub fn oci_layout(files: &[ImageFile], config: &ImageConfig, out: &Path) -> Result<String> {
    let files: BTreeMap<&str, (&Path, u32)> = files
        .iter()
        .map(|(place, source, mode)| (place.trim_start_matches('/'), (source.as_path(), *mode)))
        .collect();
    // Twice: a blob's name and length come before its content.
    let mut measured = Measured::new(std::io::sink());
    layer(&files, &mut measured)?;
    let (layer_digest, layer_size) = measured.end();

    let configuration = bytes(&configuration(config, &layer_digest));
    let manifest = bytes(&manifest(&configuration, &layer_digest, layer_size));
    let index = bytes(&index(config, &manifest));

    let file = File::create(out).map_err(io("create", out))?;
    let mut whole = Tar::new(BufWriter::new(file));
    let written = io("write", out);
    let write = || -> std::io::Result<(String, u64)> {
        whole.folder("blobs/", 0o755)?;
        whole.folder("blobs/sha256/", 0o755)?;
        for blob in [&configuration, &manifest] {
            whole.file(&blob_path(&digest(blob)), 0o644, blob)?;
        }
        whole.header(&blob_path(&layer_digest), 0o644, layer_size)?;
        let mut measured = Measured::new(whole.writer());
        layer(&files, &mut measured).map_err(std::io::Error::other)?;
        let measured = measured.end();
        whole.pad(layer_size)?;
        whole.file("index.json", 0o644, &index)?;
        whole.file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        whole.end()?.flush()?;
        Ok(measured)
    };
    if write().map_err(written)? != (layer_digest, layer_size) {
        return Err(Error::Invalid(format!(
            "a file of the image {} changed while it was packed",
            config.name
        )));
    }
    Ok(digest(&manifest))
}

/// A program at `place`, and the shared libraries that it is linked to, where it looks for them.
///
/// # Errors
/// `ldd` is not there, or a library is missing.
pub fn program_files(place: &str, program: &Path) -> Result<Vec<ImageFile>> {
    let get =
        "it comes with the C library; on other systems than Linux, build the image from the Containerfile";
    let output = Command::new("ldd").arg(program).env("LC_ALL", "C").output();
    let output = output.map_err(|_| Error::Missing { program: "ldd", get })?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut files = vec![(place.to_owned(), program.to_path_buf(), 0o755)];
    for line in said.lines() {
        if line.contains("not found") {
            return Err(Error::Invalid(format!("{}: library {}", program.display(), line.trim())));
        }
        // The loader's line has no arrow; the kernel's own library has no path.
        let Some(library) = line.split_whitespace().find(|word| word.starts_with('/')) else { continue };
        let source = fs::canonicalize(library).map_err(io("read", Path::new(library)))?;
        files.push((library.to_owned(), source, 0o755));
    }
    Ok(files)
}

/// The layer: every folder on the way to a file, and the files.
fn layer(files: &BTreeMap<&str, (&Path, u32)>, to: &mut impl Write) -> Result<()> {
    let mut tar = Tar::new(to);
    let mut folders = BTreeSet::new();
    for (place, (source, mode)) in files {
        for (at, _) in place.match_indices('/') {
            let folder = &place[..=at];
            if folders.insert(folder) {
                tar.folder(folder, 0o755).map_err(io("pack", source))?;
            }
        }
        let file = File::open(source).map_err(io("read", source))?;
        let size = file.metadata().map_err(io("read", source))?.len();
        let pack = |tar: &mut Tar<_>| -> std::io::Result<()> {
            tar.header(place, *mode, size)?;
            let copied = std::io::copy(&mut BufReader::new(file).take(size), tar.writer())?;
            if copied != size {
                return Err(std::io::Error::other("it got shorter while it was packed"));
            }
            tar.pad(size)
        };
        pack(&mut tar).map_err(io("pack", source))?;
    }
    tar.end().map(|_| ()).map_err(io("pack", Path::new("the layer")))
}

fn configuration(config: &ImageConfig, layer: &str) -> Value {
    json!({
        "architecture": architecture(), "os": "linux", "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": config.user, "Entrypoint": config.entrypoint, "Env": config.env, "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [layer]},
    })
}

fn manifest(configuration: &[u8], layer: &str, layer_size: u64) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest(configuration), "size": configuration.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": layer_size,
        }],
    })
}

/// containerd takes the name from its own annotation, others from the second one.
fn index(config: &ImageConfig, manifest: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest(manifest), "size": manifest.len(),
            "platform": {"architecture": architecture(), "os": "linux"},
            "annotations": {
                "io.containerd.image.name": config.name,
                "org.opencontainers.image.ref.name": config.name,
            },
        }],
    })
}

/// This machine's, in Go's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn blob_path(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

fn digest(content: &[u8]) -> String {
    text(Sha256::digest(content).as_slice())
}

fn text(sum: &[u8]) -> String {
    let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Counts and sums up what goes through.
struct Measured<W> {
    to: W,
    sum: Sha256,
    size: u64,
}

impl<W> Measured<W> {
    fn new(to: W) -> Self {
        Self { to, sum: Sha256::new(), size: 0 }
    }

    fn end(self) -> (String, u64) {
        (text(self.sum.finalize().as_slice()), self.size)
    }
}

impl<W: Write> Write for Measured<W> {
    fn write(&mut self, content: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(content)?;
        self.sum.update(&content[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

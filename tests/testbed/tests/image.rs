//! Images without an engine: their bytes, and what others read from them.

#![allow(missing_docs, reason = "the names of tests are their documentation")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tenantry_testbed::{ImageConfig, ImageFile, Run, oci_layout, program_files};

/// More than the 100 bytes of the tar's first field.
const DEEP: &str = "usr/share/a-folder-with-a-long-name/another-folder-with-a-long-name/and-a-third-folder-with-a-long-name/file";

fn config() -> ImageConfig {
    ImageConfig {
        name: "example.test/tool:1".into(),
        user: "65532:65532".into(),
        entrypoint: vec!["/bin/tool".into(), "--fast".into()],
        env: vec!["A=b".into()],
    }
}

fn files(folder: &Path) -> Vec<ImageFile> {
    let make = |name: &str, content: &[u8]| -> PathBuf {
        fs::write(folder.join(name), content).unwrap();
        folder.join(name)
    };
    vec![
        ("/bin/tool".into(), make("tool", &[7; 1500]), 0o755),
        (format!("/{DEEP}"), make("deep", &[8; 512]), 0o600),
        ("/etc/empty".into(), make("empty", b""), 0o644),
    ]
}

fn unpack(tar: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let done = Command::new("tar").arg("-xf").arg(tar).arg("-C").arg(to).status().unwrap();
    assert!(done.success(), "tar reads {}", tar.display());
}

fn blob(layout: &Path, descriptor: &Value) -> PathBuf {
    let digest = descriptor["digest"].as_str().unwrap();
    let path = layout.join("blobs").join(digest.replace(':', "/"));
    let content = fs::read(&path).unwrap();
    assert_eq!(descriptor["size"], content.len(), "{digest}");
    let sum: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, format!("sha256:{sum}"));
    path
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_layout_holds_what_was_asked_for() {
    let run = Run::start().unwrap();
    let out = run.dir().join("image.tar");
    let digest = oci_layout(&files(&run.folder("files").unwrap()), &config(), &out).unwrap();
    let layout = run.dir().join("layout");
    unpack(&out, &layout);
    assert_eq!(json(&layout.join("oci-layout"))["imageLayoutVersion"], "1.0.0");
    let index = json(&layout.join("index.json"));
    let entry = &index["manifests"][0];
    assert_eq!(entry["digest"], digest);
    assert_eq!(entry["annotations"]["io.containerd.image.name"], "example.test/tool:1");
    let manifest = json(&blob(&layout, entry));
    let settings = json(&blob(&layout, &manifest["config"]));
    assert_eq!(settings["config"]["User"], "65532:65532");
    assert_eq!(settings["config"]["Entrypoint"], serde_json::json!(["/bin/tool", "--fast"]));
    assert_eq!(settings["config"]["Env"], serde_json::json!(["A=b"]));
    assert_eq!(settings["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
    let root = run.dir().join("root");
    unpack(&blob(&layout, &manifest["layers"][0]), &root);
    assert_eq!(fs::read(root.join("bin/tool")).unwrap(), [7; 1500]);
    assert_eq!(fs::read(root.join(DEEP)).unwrap(), [8; 512]);
    assert_eq!(fs::read(root.join("etc/empty")).unwrap(), b"");
    assert_eq!(fs::metadata(root.join("bin/tool")).unwrap().mode() & 0o777, 0o755);
    assert_eq!(fs::metadata(root.join(DEEP)).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn the_same_input_has_the_same_bytes() {
    let run = Run::start().unwrap();
    let pack = |folder: &str, name: &str, config: &ImageConfig| {
        let out = run.dir().join(name);
        let mut files = files(&run.folder(folder).unwrap());
        if folder == "two" {
            files.reverse();
        }
        (oci_layout(&files, config, &out).unwrap(), fs::read(&out).unwrap())
    };
    let first = pack("one", "a.tar", &config());
    assert_eq!(first, pack("two", "b.tar", &config()), "whatever folder, order and time");
    let other = ImageConfig { user: "1000:1000".into(), ..config() };
    assert_ne!(first.0, pack("one", "c.tar", &other).0);
}

#[test]
fn a_missing_file_is_named() {
    let run = Run::start().unwrap();
    let files = [("/bin/gone".to_owned(), run.dir().join("gone"), 0o755)];
    let said = oci_layout(&files, &config(), &run.dir().join("x.tar")).unwrap_err().to_string();
    assert!(said.contains("gone"), "{said}");
}

/// `ldd` is Linux's; elsewhere the Containerfile makes the image.
#[cfg(target_os = "linux")]
#[test]
fn a_program_comes_with_its_libraries() {
    let own = std::env::current_exe().unwrap();
    let files = program_files("/usr/bin/tool", &own).unwrap();
    assert_eq!(files[0], ("/usr/bin/tool".to_owned(), own, 0o755));
    let places: Vec<&str> = files.iter().map(|(place, ..)| place.as_str()).collect();
    assert!(places.iter().any(|place| place.contains("libc.so")), "{places:?}");
    assert!(places.iter().any(|place| place.contains("ld-linux")), "{places:?}");
    assert!(files.iter().all(|(_, source, _)| source.is_file()));
}

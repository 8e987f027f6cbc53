//! What a hostile Git server or author can send, by the classes of the CVEs of libgit2, go-git, git and gix:
//! packs and objects made by hand, names that lead elsewhere, and addresses that only git itself would follow.

use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use tenantry::source::{Reference, SourceError, fetch, resolve};

use crate::World;
use crate::repo::{put, submodule};
use crate::server::{Answer, Server};

const LIST: &str = "application/x-git-upload-pack-advertisement";
const PACK: &str = "application/x-git-upload-pack-result";

fn world() -> World {
    let mut world = World::new();
    world.repo.commit("main", "one", &[put("a.yaml", "a: 1")]);
    world.settings.deadline = Duration::from_secs(10);
    world
}

/// Bytes in a zlib stream that does not compress.
fn zlib(bytes: &[u8]) -> Vec<u8> {
    let (mut a, mut b) = (1u32, 0u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    let length = u16::try_from(bytes.len()).expect("small");
    let mut out = vec![0x78, 0x01, 0x01];
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend(bytes);
    out.extend((b << 16 | a).to_be_bytes());
    out
}

/// A number in groups of seven bits, as deltas have them.
fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = u8::try_from(number & 127).expect("seven bits");
        number >>= 7;
        out.push(if number > 0 { low | 128 } else { low });
        if number == 0 {
            return out;
        }
    }
}

/// An object's header in a pack: its type, and the size that it claims.
fn header(kind: u8, size: u64) -> Vec<u8> {
    let first = kind << 4 | u8::try_from(size & 15).expect("four bits");
    match size >> 4 {
        0 => vec![first],
        more => [vec![first | 128], varint(more)].concat(),
    }
}

fn object(kind: u8, content: &[u8]) -> Vec<u8> {
    [header(kind, content.len() as u64), zlib(content)].concat()
}

/// A delta to the object `back` bytes before (less than 128), with these sizes and instructions.
fn delta(back: u8, base: u64, result: u64, instructions: &[u8]) -> Vec<u8> {
    let content = [varint(base), varint(result), instructions.to_vec()].concat();
    [header(6, content.len() as u64), vec![back], zlib(&content)].concat()
}

fn pack_of(version: u32, count: u32, objects: &[Vec<u8>]) -> Vec<u8> {
    let head = [b"PACK".to_vec(), version.to_be_bytes().to_vec(), count.to_be_bytes().to_vec()].concat();
    let mut pack = [head, objects.concat()].concat();
    let sum = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &pack);
    pack.extend(sum.as_ref());
    pack
}

fn packet(bytes: &[u8]) -> Vec<u8> {
    [format!("{:04x}", bytes.len() + 4).into_bytes(), bytes.to_vec()].concat()
}

/// An answer to a shallow fetch: a pack that says it has `commit`.
fn answer(commit: &str, pack: &[u8]) -> Vec<u8> {
    let shallow = packet(format!("shallow {commit}").as_bytes());
    let sent = packet(&[b"\x01".to_vec(), pack.to_vec()].concat());
    [shallow, b"0000".to_vec(), packet(b"NAK\n"), sent, b"0000".to_vec()].concat()
}

/// CVE-2026-53585, -25934, -33762, -34165, -45022, CVE-2025-21614, CVE-2023-49568, CVE-2024-24575, -24577: sizes that
/// lie, deltas that lead astray, and packs that are none. Each is an error, and none hangs or kills the process.
#[tokio::test]
async fn packs_made_by_hand() {
    let mut world = world();
    let commit = resolve(&world.settings).await.expect("the list");
    let base = object(3, b"aaaa");
    let back = u8::try_from(base.len()).expect("small");
    let huge = 1 << 45;
    let packs = [
        ("a delta with a huge result", pack_of(2, 2, &[base.clone(), delta(back, 4, huge, &[0x90, 4])])),
        ("a delta with a huge base", pack_of(2, 2, &[base.clone(), delta(back, huge, 4, &[0x90, 4])])),
        (
            "a delta that copies from beyond its base",
            pack_of(2, 2, &[base.clone(), delta(back, 4, 9, &[0xb1, 200, 9, 0])]),
        ),
        ("a delta without instructions", pack_of(2, 2, &[base.clone(), delta(back, 4, 4, &[])])),
        ("a delta with the reserved instruction", pack_of(2, 2, &[base.clone(), delta(back, 4, 4, &[0])])),
        ("a delta to before the pack", pack_of(2, 2, &[base.clone(), delta(127, 4, 4, &[0x90, 4])])),
        ("a delta to itself", pack_of(2, 1, &[delta(0, 4, 4, &[0x90, 4])])),
        (
            "a delta to an object that is not there",
            pack_of(2, 1, &[[header(7, 3), vec![9; 20], zlib(b"\x04\x04\x00")].concat()]),
        ),
        ("a blob that claims to be huge", pack_of(2, 1, &[[header(3, huge), zlib(b"aaaa")].concat()])),
        ("a blob larger than it claims", pack_of(2, 1, &[[header(3, 1), zlib(b"aaaa")].concat()])),
        ("a size without an end", pack_of(2, 1, &[vec![0xff; 40]])),
        ("an unknown type", pack_of(2, 1, &[object(5, b"aaaa")])),
        ("fewer objects than promised", pack_of(2, u32::MAX, std::slice::from_ref(&base))),
        ("more objects than promised", pack_of(2, 0, std::slice::from_ref(&base))),
        ("another version", pack_of(9, 1, std::slice::from_ref(&base))),
        ("no zlib", pack_of(2, 1, &[[header(3, 4), vec![0x55; 30]].concat()])),
        ("not the commit asked for", pack_of(2, 1, std::slice::from_ref(&base))),
        ("nothing", Vec::new()),
    ];
    for (number, (what, pack)) in packs.into_iter().enumerate() {
        let body = answer(&commit.to_string(), &pack);
        world.server.answer(move |asked| match asked.is_pack() {
            true => Answer::Body(PACK, body.clone()),
            false => Answer::Git,
        });
        world.settings.repository = world.folder.path().join(format!("copy-{number}"));
        let begun = Instant::now();
        let error = fetch(&world.settings, &commit).await.expect_err(what);
        eprintln!("{what}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{what}: {:?}", begun.elapsed());
        assert_ne!(error.reason(), "FetchProcessFailed", "{what}: {error}");
        world.server.answer(|_| Answer::Git);
        world.sync(None).await.unwrap_or_else(|error| panic!("after {what}: {error}"));
    }
}

/// CVE-2023-49568, CVE-2024-24577 and the panics of go-git: commits, trees and tags that no git would write.
#[tokio::test]
async fn objects_made_by_hand() {
    let world = world();
    let (tree, blob) = (world.repo.id("main^{tree}"), world.repo.id("main:a.yaml"));
    let who = "Ada <ada@example.com> 1700000000 +0000";
    let tag = |kind: &str, id: &str| format!("object {id}\ntype {kind}\ntag t\ntagger {who}\n\nt");
    let mut nested = world.repo.raw_object("tag", tag("commit", &world.repo.id("main")).as_bytes());
    for _ in 0..200 {
        nested = world.repo.raw_object("tag", tag("tag", &nested).as_bytes());
    }
    for (what, kind, content) in [
        ("an empty commit", "commit", String::new()),
        ("a commit without a tree", "commit", format!("author {who}\ncommitter {who}\n\nx")),
        ("a commit of a blob", "commit", format!("tree {blob}\nauthor {who}\ncommitter {who}\n\nx")),
        ("a commit without people", "commit", format!("tree {tree}\n\nx")),
        (
            "a commit with a short id",
            "commit",
            format!("tree {}\nauthor {who}\ncommitter {who}\n\nx", &tree[..20]),
        ),
        ("a commit with an endless header", "commit", format!("tree {tree}\nauthor {}", "x".repeat(100_000))),
        (
            "a commit whose time is none",
            "commit",
            format!("tree {tree}\nauthor A <a> 99999999999999999999 +9999\ncommitter A <a\n\nx"),
        ),
        ("a tree cut short", "tree", "100644 a.yaml\0short".to_owned()),
        ("a tree with an odd mode", "tree", "99999999999999999999 a.yaml\0aaaaaaaaaaaaaaaaaaaa".to_owned()),
        ("a tree with a name without an end", "tree", format!("100644 {}", "n".repeat(70_000))),
        ("a tree with an empty name", "tree", "100644 \0aaaaaaaaaaaaaaaaaaaa".to_owned()),
        ("a tag of a blob", "tag", tag("blob", &blob)),
        ("a tag that says tree of a blob", "tag", tag("tree", &blob)),
        ("a tag of nothing", "tag", tag("commit", &"3".repeat(40))),
        ("a tag without a head", "tag", "x".to_owned()),
    ] {
        let mut id = world.repo.raw_object(kind, content.as_bytes());
        if kind == "tree" {
            id = world
                .repo
                .raw_object("commit", format!("tree {id}\nauthor {who}\ncommitter {who}\n\nx").as_bytes());
        }
        // By hand: git itself would look at what it is told to point at.
        std::fs::write(world.repo.path.join("refs/heads/main"), format!("{id}\n")).expect("disk");
        let error = world.sync(None).await.expect_err(what);
        eprintln!("{what}: {error}");
        assert_ne!(error.reason(), "FetchProcessFailed", "{what}: {error}");
    }
    std::fs::write(world.repo.path.join("refs/heads/main"), format!("{nested}\n")).expect("disk");
    let reached = world.sync(None).await.map(|snapshot| snapshot.files.len());
    assert!(matches!(reached, Ok(1) | Err(_)), "a tag of a tag is its commit, or nothing: {reached:?}");
}

/// CVE-2026-71556, -71557, CVE-2023-49569, CVE-2022-39253: a server may call its references what it likes.
#[tokio::test]
async fn names_of_references_lead_nowhere() {
    let mut world = world();
    let outside = world.folder.path().join("escaped");
    let commit = world.repo.id("main");
    let names = [
        "HEAD",
        "refs/heads/../../../../escaped",
        "refs/heads//escaped",
        "../../escaped",
        "refs/heads/main.lock",
        "refs/heads/a\u{1b}[31mb\u{202e}",
        "refs/heads/-oProxyCommand=id",
        "refs/heads/main",
        "refs/tenantry/head",
    ];
    let caps = "\0side-band-64k ofs-delta shallow multi_ack_detailed thin-pack symref=HEAD:../../escaped";
    let lines = names
        .iter()
        .enumerate()
        .map(|(i, name)| packet(format!("{commit} {name}{}\n", if i == 0 { caps } else { "" }).as_bytes()));
    let lines = lines.collect::<Vec<_>>().concat();
    let list = [packet(b"# service=git-upload-pack\n"), b"0000".to_vec(), lines, b"0000".to_vec()].concat();
    world.server.answer(move |asked| match asked.is_pack() {
        true => Answer::Git,
        false => Answer::Body(LIST, list.clone()),
    });
    let found = world.sync(None).await.map(|snapshot| snapshot.revision.to_string());
    if let Err(error) = &found {
        assert_ne!(error.reason(), "FetchProcessFailed", "{error}");
    }
    world.settings.reference = Reference::Branch("mian".to_owned());
    let error = resolve(&world.settings).await.expect_err("no such branch").to_string();
    assert!(!error.chars().any(|c| c.is_control() || c == '\u{202e}'), "{error:?}");
    assert!(!outside.exists() && !world.folder.path().join("cache/escaped").exists());
}

/// CVE-2024-32002, CVE-2025-48384, CVE-2026-45571, -53584: a submodule is a finding, and nobody asks where it lives.
/// CVE-2025-48385: nor where a server would have us fetch a bundle.
#[tokio::test]
async fn nobody_else_is_asked() -> Result<(), SourceError> {
    let world = world();
    let elsewhere = Server::start(world.folder.path());
    let url = elsewhere.url("config");
    let modules = format!(
        "[submodule \"x\"]\n\tpath = vendored\n\turl = {url}\n\tupdate = !id\n[submodule \"../../escape\"]\n\tpath = ../../escape\n\turl = --upload-pack=id\n[submodule \"cr\"]\n\tpath = \"cr\\r\"\n\turl = ext::sh -c id\n"
    );
    world.repo.commit(
        "main",
        "two",
        &[put(".gitmodules", modules), submodule("vendored"), submodule("tenants/cr")],
    );
    for (key, value) in [
        ("uploadpack.advertiseBundleURIs", "true"),
        ("bundle.version", "1"),
        ("bundle.mode", "all"),
        ("bundle.evil.uri", url.as_str()),
    ] {
        world.repo.git(&["config", key, value], b"");
    }
    let snapshot = world.sync(None).await?;
    assert_eq!(snapshot.files.keys().collect::<Vec<_>>(), ["a.yaml"]);
    let about = snapshot.findings.iter().filter(|finding| finding.message.contains("submodule"));
    assert_eq!(about.count(), 2, "{:#?}", snapshot.findings);
    assert!(elsewhere.asked().is_empty(), "nobody follows the addresses in a repository");
    Ok(())
}

/// CVE-2022-39253, CVE-2023-22490: a copy has no worktree, no index, no links and borrows from no other folder.
#[tokio::test]
async fn a_copy_is_objects_and_nothing_else() -> Result<(), SourceError> {
    let world = world();
    world.repo.commit(
        "main",
        "two",
        &[
            put(".git/config", "[core]\n\tfsmonitor = id"),
            put(".gitattributes", "* filter=evil"),
            put("b.yaml", "b: 1"),
        ],
    );
    world.sync(None).await?;
    let git = world.settings.repository.join("git");
    for absent in ["objects/info/alternates", "worktrees", "modules", "index", "b.yaml"] {
        assert!(!git.join(absent).exists(), "{absent}");
    }
    let found = std::process::Command::new("find").arg(&git).args(["-type", "l"]).output().expect("find");
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
    Ok(())
}

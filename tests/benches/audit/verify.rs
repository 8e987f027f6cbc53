//! How fast an archive is verified: every object of it, every signature, every record, on one core.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tenantry::audit::doors::folder;
use tenantry::audit::frame::{Record, Source};
use tenantry::audit::layout::{self, Stream, key_name};
use tenantry::audit::log::checkpoint::Checkpoint;
use tenantry::audit::log::note::{Kind, PrivateKey};
use tenantry::audit::pack::{SEALED_AT, pack};
use tenantry::audit::prove::Prover;
use tenantry::audit::verify::stream::{Keys, verify};

use super::{Outcome, cpu, resident};

/// Makes an archive of so many events, and verifies it.
pub(super) fn speed(root: &Path, events: u64) -> Outcome {
    let stream =
        Stream { cluster: "eu".into(), agent: "cp-1".into(), epoch: "20261123T000000Z-00000000".into() };
    let log = PrivateKey::of_seed(&key_name("eu", "cp-1"), Kind::Log, [7; 32])?;
    let witness = PrivateKey::of_seed("archive.example.org", Kind::Witness, [9; 32])?;
    let folder = root.join(stream.folder(""));
    write(&folder, &stream, (&log, &witness), events)?;

    let (floor, raw, packed) = floor(&folder.join(layout::SEGMENTS))?;
    println!(
        "verify: {events} events, {:.2} GB of records, {:.2} GB of segments; read, unpacked and hashed once: {floor:.2} s of a core",
        raw as f64 / 1e9,
        packed as f64 / 1e9
    );
    let keys = Keys { log: log.public().clone(), witness: Some(witness.public().clone()), since: None };
    let (start, used, mut most) = (Instant::now(), cpu()?, 0);
    let mut found = Vec::new();
    for (stream, mut door) in folder::streams(root)? {
        let mut progress = |_: u64| most = most.max(resident().unwrap_or_default());
        found.push(verify(&mut door, &stream, &keys, &mut progress)?.0);
    }
    let (took, used) = (start.elapsed().as_secs_f64(), (cpu()? - used).as_secs_f64());
    assert!(found.len() == 1 && found[0].is_whole() && found[0].proven == events, "{found:#?}");
    println!(
        "verified in {took:.2} s, {used:.2} s of a core: {:.1} times that; 10 M events would take {:.0} s of a core (goal 60), and {:.1} MB of memory",
        used / floor,
        used * 1e7 / events as f64,
        most as f64 / 1e6
    );
    fs::remove_dir_all(root)?;
    Ok(())
}

/// The least that anybody must do who believes nothing: read segments, unpack them, and hash the records once.
/// Seconds of a core, and bytes unpacked and packed.
fn floor(segments: &Path) -> Outcome<(f64, usize, usize)> {
    let (used, mut raw, mut packed) = (cpu()?, 0, 0);
    for entry in fs::read_dir(segments)? {
        let bytes = fs::read(entry?.path())?;
        let segment = zstd::decode_all(bytes.as_slice())?;
        std::hint::black_box(Sha256::digest(&segment));
        (raw, packed) = (raw + segment.len(), packed + bytes.len());
    }
    Ok(((cpu()? - used).as_secs_f64(), raw, packed))
}

/// The archive as agent and witness leave it.
fn write(folder: &Path, stream: &Stream, keys: (&PrivateKey, &PrivateKey), events: u64) -> Outcome {
    let log = keys.0.named(&stream.origin())?;
    let (mut prover, mut next, mut newest) = (Prover::default(), 0, None);
    let (mut segment, mut text) = (Vec::with_capacity(SEALED_AT + 4096), String::new());
    let put = |path: &str, content: &[u8]| -> Outcome {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        Ok(fs::write(path, content)?)
    };
    while next < events {
        let first = next;
        segment.clear();
        while segment.len() < SEALED_AT && next < events {
            event(next, &mut text)?;
            let received = 1_790_000_000_000 + i64::try_from(next / 100)?;
            let bytes = text.as_bytes();
            Record { seq: next, synced: first, received, source: Source::AuditFile, bytes }
                .append(&mut segment);
            next += 1;
        }
        let added = prover.segment(first, &segment);
        put(&layout::segment(first, next - 1), &pack(&segment)?)?;
        for object in added.objects {
            put(&object.path, &object.content)?;
        }
        let (size, root) = (prover.tree().size(), prover.tree().root());
        let checkpoint = Checkpoint { origin: stream.origin(), size, root };
        let note = log.sign(checkpoint.note(), Timestamp::now());
        put(&layout::checkpoint(size), &note.bytes())?;
        newest = Some(note);
    }
    let note = newest.ok_or("no events")?;
    put(layout::CHECKPOINT, &keys.1.sign(note, Timestamp::now()).bytes())
}

/// An event of about 1 KB, as a controller causes most of them. What looks random is: ids and versions.
fn event(number: u64, text: &mut String) -> Outcome {
    let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (number << 7);
    let other = id.rotate_left(23).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let (verb, code) = [("update", 200), ("get", 200), ("patch", 200), ("create", 201)][(id >> 62) as usize];
    let (tenant, name) = (other % 200, other >> 52);
    text.clear();
    write!(
        text,
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}","stage":"ResponseComplete","requestURI":"/apis/apps/v1/namespaces/tenant-{tenant}/deployments/web-{name}/status?fieldManager=kube-controller-manager&timeout=10s","verb":"{verb}","user":{{"username":"system:serviceaccount:kube-system:deployment-controller","uid":"{:08x}-0000-4000-8000-{:012x}","groups":["system:serviceaccounts","system:serviceaccounts:kube-system","system:authenticated"]}},"sourceIPs":["10.0.{}.{}"],"userAgent":"kube-controller-manager/v1.36.3 (linux/amd64) kubernetes/1234567/system:serviceaccount:kube-system:deployment-controller","objectRef":{{"resource":"deployments","namespace":"tenant-{tenant}","name":"web-{name}","uid":"{:08x}-1111-4000-8000-{:012x}","apiGroup":"apps","apiVersion":"v1","resourceVersion":"{}","subresource":"status"}},"responseStatus":{{"metadata":{{}},"code":{code}}},"requestReceivedTimestamp":"2026-11-23T03:{:02}:{:02}.{:06}Z","stageTimestamp":"2026-11-23T03:{:02}:{:02}.{:06}Z","annotations":{{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by ClusterRoleBinding \"system:controller:deployment-controller\""}}}}"#,
        id >> 32,
        id & 0xffff,
        id >> 20 & 0xfff,
        id >> 8 & 0xfff,
        other & 0xffff_ffff_ffff,
        tenant,
        tenant * 7919,
        id >> 13 & 0xff,
        other >> 9 & 0xff,
        other >> 32,
        id & 0xffff_ffff_ffff,
        number + 1_000_000,
        number / 6000 % 60,
        number / 100 % 60,
        id % 1_000_000,
        number / 6000 % 60,
        number / 100 % 60,
        other % 1_000_000,
    )?;
    Ok(())
}

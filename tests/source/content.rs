//! Hostile and unlucky content: each bad entry is a finding, the others are read.

use std::path::Path;

use tenantry::source::{Door, SourceError};

use crate::repo::{delete, link, put, submodule};
use crate::{World, text};

/// `(file, message)` of the findings that mention a word.
fn about<'s>(snapshot: &'s tenantry::source::Snapshot, word: &str) -> Vec<&'s str> {
    snapshot.findings.iter().filter(|f| f.message.contains(word)).map(|f| f.file.as_str()).collect()
}

#[tokio::test]
async fn one_bad_entry_does_not_keep_the_others_out() -> Result<(), SourceError> {
    let mut world = World::new();
    world.settings.limits.file_bytes = 1000;
    world.settings.limits.depth = 4;
    world.settings.limits.path_bytes = 60;
    world.repo.commit(
        "main",
        "all of it",
        &[
            put("good.yaml", "a: 1"),
            put("README.md", "text"),
            put(".github/workflows/x.yaml", "hidden"),
            put(".hidden.yaml", "hidden"),
            link("link.yaml", "/etc/passwd"),
            link("linked", "../../etc"),
            link("CHANGES.md", "README.md"),
            submodule("vendored"),
            put("big.yaml", "x".repeat(1001)),
            put("just.yaml", "x".repeat(1000)),
            put("1/2/3/ok.yaml", "a: 1"),
            put("1/2/3/4/deep.yaml", "a: 1"),
            put(format!("{}.yaml", "n".repeat(70)), "a: 1"),
            put("\"bidi\\342\\200\\256lmay.yaml\"", "a: 1"),
            put("\"control\\007.yaml\"", "a: 1"),
            put("\"latin\\351.yaml\"", "a: 1"),
            put("\"caf\\303\\251.yaml\"", "a: 1"),
            put("empty.yml", ""),
        ],
    );
    let snapshot = world.sync(None).await?;
    let read: Vec<_> = snapshot.files.keys().map(String::as_str).collect();
    assert_eq!(read, ["1/2/3/ok.yaml", "café.yaml", "empty.yml", "good.yaml", "just.yaml"]);
    assert_eq!(about(&snapshot, "symbolic link"), ["link.yaml", "linked"]);
    assert_eq!(about(&snapshot, "submodule"), ["vendored"]);
    assert_eq!(about(&snapshot, "1001 bytes"), ["big.yaml"]);
    assert_eq!(about(&snapshot, "deeper"), ["1/2/3/4"]);
    assert_eq!(about(&snapshot, "longer than the limit").len(), 1);
    assert_eq!(about(&snapshot, "invisible"), ["bidi\\u{202e}lmay.yaml", "control\\u{7}.yaml"]);
    assert_eq!(about(&snapshot, "UTF-8"), ["latin\\xe9.yaml"]);
    assert_eq!(snapshot.findings.len(), 9, "{:#?}", snapshot.findings);

    // Folders that stay the same keep their findings; a mended one loses them.
    world.repo.commit("main", "mend", &[delete("big.yaml"), put("new.yaml", "n: 1")]);
    let next = world.sync(Some(&snapshot)).await?;
    assert_eq!(next.findings.len(), 8);
    assert_eq!(about(&next, "deeper"), ["1/2/3/4"]);
    Ok(())
}

#[tokio::test]
async fn what_is_taken_over_equals_what_is_read() -> Result<(), SourceError> {
    let mut world = World::new();
    world.settings.path = "tenants".to_owned();
    let file = |i: usize| put(format!("tenants/{}/{i}.yaml", i % 7), format!("a: {i}"));
    world.repo.commit("main", "many", &(0..100).map(file).collect::<Vec<_>>());
    let mut previous = world.sync(None).await?;
    for (round, changes) in [
        vec![put("tenants/3/3.yaml", "changed")],
        vec![put("outside.yaml", "not watched")],
        vec![delete("tenants/4/4.yaml"), put("tenants/4-x/new.yaml", "n"), put("tenants/4.yaml", "n")],
        vec![put("tenants/3/3.yaml", "a: 3")],
        vec![delete("tenants/4-x/new.yaml"), delete("tenants/4.yaml")],
    ]
    .into_iter()
    .enumerate()
    {
        world.repo.commit("main", "change", &changes);
        let next = world.sync(Some(&previous)).await?;
        let anew = tenantry::source::read(&world.settings, &next.revision, None)?;
        let content = |s: &tenantry::source::Snapshot| {
            s.files
                .iter()
                .map(|(path, f)| (path.clone(), f.blob.clone(), f.bytes.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(content(&next), content(&anew), "round {round}");
        assert_eq!(next.tree == previous.tree, round == 1, "round {round}: the tree id tells change");
        previous = next;
    }
    Ok(())
}

#[tokio::test]
async fn the_two_doors() -> Result<(), SourceError> {
    for (tenants, platform) in
        [("tenants", "platform"), ("", "platform"), ("all", "all/platform"), ("p/tenants", "p")]
    {
        let mut world = World::new();
        world.settings.path = tenants.to_owned();
        world.settings.platform_path = Some(platform.to_owned());
        let tenant = if tenants.is_empty() { "t.yaml".to_owned() } else { format!("{tenants}/t.yaml") };
        let plat = format!("{platform}/p.yaml");
        world.repo.commit(
            "main",
            "one",
            &[put(&tenant, "t"), put(&plat, "p"), put(format!("{platform}/x/y.yaml"), "y")],
        );
        let one = world.sync(None).await?;
        assert_eq!(one.files.len(), 3, "{tenants:?} {platform:?}");
        assert_eq!(one.files[&tenant].door, Door::Tenants);
        assert_eq!(one.files[&plat].door, Door::Platform);
        assert_eq!(one.files[&format!("{platform}/x/y.yaml")].door, Door::Platform);
        world.repo.commit("main", "two", &[put(&plat, "p2")]);
        let two = world.sync(Some(&one)).await?;
        assert_eq!((text(&two, &plat), text(&two, &tenant)), ("p2", "t"));
        assert_eq!(two.files[&tenant].door, Door::Tenants);
        let again = tenantry::source::read(&world.settings, &two.revision, Some(&two))?;
        assert_eq!(again.files, two.files, "{tenants:?} {platform:?}: taken over as it was");
    }
    let mut world = World::new();
    world.settings.platform_path = Some("/".to_owned());
    assert_eq!(world.resolve().await.expect_err("the same folder").reason(), "InvalidPath");
    Ok(())
}

#[tokio::test]
async fn a_folder_that_is_gone() -> Result<(), SourceError> {
    let mut world = World::new();
    world.settings.path = "tenants".to_owned();
    world.settings.platform_path = Some("platform".to_owned());
    world.repo.commit("main", "one", &[put("tenants/a.yaml", "a"), put("platform/p.yaml", "p")]);
    world.sync(None).await?;
    world.repo.commit("main", "two", &[delete("platform/p.yaml")]);
    let snapshot = world.sync(None).await?;
    assert_eq!(snapshot.files.len(), 1, "tenants go on");
    assert_eq!(about(&snapshot, "platformPath"), ["platform"]);
    for (change, problem) in [
        (vec![delete("tenants/a.yaml"), put("x", "x")], "nothing of that name"),
        (vec![put("tenants", "now a file")], "it is a file"),
        (vec![link("tenants", "/etc")], "symbolic link"),
        (vec![submodule("tenants")], "submodule"),
    ] {
        world.repo.commit("main", "gone", &change);
        let error = world.sync(None).await.expect_err(problem);
        assert_eq!(error.reason(), "PathNotFound");
        assert!(error.to_string().contains(problem), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn too_many() {
    let world = World::new();
    let files =
        |count: usize| (0..count).map(|i| put(format!("{}/{i}.yaml", i % 50), "a: 1")).collect::<Vec<_>>();
    world.repo.commit("main", "at the limit", &files(10_000));
    assert_eq!(world.sync(None).await.expect("10,000 are fine").files.len(), 10_000);
    world.repo.commit("main", "one more", &[put("more.yaml", "a: 1")]);
    let error = world.sync(None).await.expect_err("10,001 are not");
    assert_eq!(error.reason(), "TooManyFiles");
    assert!(error.to_string().contains("10000 YAML files"), "{error}");
}

#[tokio::test]
async fn too_much_text() {
    let mut world = World::new();
    world.settings.limits.total_bytes = 5_000_000;
    // A few kilobytes on the wire, many megabytes here.
    let changes: Vec<_> = (0..6).map(|i| put(format!("{i}.yaml"), "x".repeat(999_999 - i))).collect();
    world.repo.commit("main", "bomb", &changes);
    assert_eq!(world.sync(None).await.expect_err("a bomb").reason(), "TooLarge");
}

#[tokio::test]
async fn trees_that_stand_for_billions_of_files() {
    let world = World::new();
    world.repo.commit("main", "seed", &[put("a.txt", "no YAML: the limit of YAML files does not help here")]);
    let mut tree = world.repo.id("main^{tree}");
    for _ in 0..10 {
        let listing: String = (0..10).map(|i| format!("040000 tree {tree}\td{i}\n")).collect();
        tree = world.repo.git(&["mktree"], listing.as_bytes());
    }
    world.repo.commit_tree("main", &tree);
    let begun = std::time::Instant::now();
    let error = world.sync(None).await.expect_err("a bomb");
    assert!(error.to_string().contains("200000 entries"), "{error}");
    assert!(begun.elapsed().as_secs() < 15, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn trees_made_by_hand() -> Result<(), SourceError> {
    let world = World::new();
    world.repo.commit("main", "seed", &[put("a.yaml", "a: 1")]);
    let blob = world.repo.id("main:a.yaml");
    let id: Vec<u8> =
        (0..20).map(|i| u8::from_str_radix(&blob[2 * i..2 * i + 2], 16).expect("hex")).collect();
    let mut tree = Vec::new();
    for name in ["../../escape.yaml", "..", "a.yaml", "a.yaml", "platform/p.yaml", "z.yaml"] {
        tree.extend_from_slice(format!("100644 {name}\0").as_bytes());
        tree.extend_from_slice(&id);
    }
    let tree = world.repo.raw_object("tree", &tree);
    world.repo.commit_tree("main", &tree);
    let snapshot = world.sync(None).await?;
    assert_eq!(snapshot.files.keys().collect::<Vec<_>>(), ["a.yaml", "z.yaml"]);
    assert_eq!(about(&snapshot, "slash").len(), 2, "{:#?}", snapshot.findings);
    assert_eq!(about(&snapshot, "twice"), ["a.yaml"]);
    assert!(!Path::new("/escape.yaml").exists());
    Ok(())
}

#[tokio::test]
async fn a_commit_that_names_what_is_not_there_is_no_snapshot() {
    let world = World::new();
    world.repo.commit("main", "seed", &[put("a.yaml", "a: 1")]);
    let ghost = world
        .repo
        .git(&["mktree", "--missing"], format!("100644 blob {}\tb.yaml\n", "2".repeat(40)).as_bytes());
    world.repo.commit_tree("main", &ghost);
    let error = world.sync(None).await.expect_err("an object is missing on the server");
    assert_eq!(error.class(), tenantry::source::Class::Transient, "{error}");
}

#[tokio::test]
async fn authors_can_not_write_into_our_log() -> Result<(), SourceError> {
    let world = World::new();
    let message = "subject \u{1b}[31m\u{202e}evil\n\nbody";
    world.repo.commit("main", message, &[put("a.yaml", "a: 1")]);
    let snapshot = world.sync(None).await?;
    let info = tenantry::source::commit_info(&world.settings, &snapshot.revision)?;
    assert_eq!(info.subject, "subject \\u{1b}[31m\\u{202e}evil");
    Ok(())
}

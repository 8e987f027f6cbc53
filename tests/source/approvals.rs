//! What approvals are judged by: notes over the network, and which commits show which change.

use tenantry::{
    source::{
        APPROVALS, CommitId, Lineage, SourceError, fetch_notes, fetch_since, holds, lineage, material, tips,
    },
    trust::approval::{Change, Material},
};

use crate::{
    World,
    repo::{delete, put},
};

impl World {
    fn file(&self, branch: &str, path: &str, text: &str) -> CommitId {
        self.repo.commit(branch, text, &[put(path, text)]).parse().expect("an id")
    }

    fn branch(&self, branch: &str, from: CommitId) {
        self.repo.git(&["branch", "--force", branch, &from.to_string()], b"");
    }

    /// A merge with this tree, whatever merging would give.
    fn merge_as(&self, tree: &str, parents: [CommitId; 2]) -> CommitId {
        let [one, two] = parents.map(|id| id.to_string());
        let id = self.repo.git(&["commit-tree", tree, "-p", &one, "-p", &two, "-m", "Merge"], b"");
        self.repo.git(&["update-ref", "refs/heads/main", &id], b"");
        id.parse().expect("an id")
    }

    fn tree(&self, id: CommitId) -> String {
        self.repo.id(&format!("{id}^{{tree}}"))
    }

    fn note(&self, commit: CommitId, text: &str) {
        self.repo.git(&["notes", "--ref", APPROVALS, "append", "-m", text, &commit.to_string()], b"");
    }

    /// What there is to judge the head by, since `base`; every new commit has a note.
    async fn material(&self, base: CommitId) -> Result<Material, SourceError> {
        let head = self.resolve().await?;
        fetch_since(&self.settings, &head, Some(base)).await?;
        let lineage: Lineage = lineage(&self.settings, Some(base), head)?;
        assert_eq!(lineage.missing, None);
        for (id, _) in &lineage.commits {
            self.note(*id, "a line");
        }
        let notes = fetch_notes(&self.settings).await?;
        material(&self.settings, Some(base), head, lineage, notes)
    }
}

/// Path, writers, shown by: as indices into `names`.
fn facts(changes: &[Change], names: &[CommitId]) -> Vec<(String, Vec<usize>, Vec<usize>)> {
    let place = |id: &String| names.iter().position(|name| name.to_string() == *id).unwrap_or(usize::MAX);
    let sorted = |ids: &[String]| {
        let mut places: Vec<usize> = ids.iter().map(place).collect();
        places.sort_unstable();
        places
    };
    changes.iter().map(|one| (one.path.clone(), sorted(&one.writers), sorted(&one.shown_by))).collect()
}

#[tokio::test]
async fn notes_come_with_their_newest_state_alone() -> Result<(), SourceError> {
    let world = World::new();
    let base = world.file("main", "a.yaml", "a: 1");
    assert_eq!(tips(&world.settings, true).await?.notes, None);
    world.fetch().await?;
    assert_eq!(fetch_notes(&world.settings).await?, None);
    let head = world.file("main", "a.yaml", "a: 2");
    for number in 0..20 {
        world.note(base, &format!("{number}"));
    }
    world.note(head, "one");
    let tip = tips(&world.settings, true).await?;
    assert_eq!(tip.commit, head);
    assert_eq!(tips(&world.settings, false).await?.notes, None, "nobody asked");
    let notes = tip.notes.expect("there are some");
    assert!(!holds(&world.settings, &notes)?);
    assert_eq!(fetch_notes(&world.settings).await?, Some(notes));
    assert!(holds(&world.settings, &notes)?);
    let older: CommitId = world.repo.id(&format!("{APPROVALS}~1")).parse().expect("an id");
    assert!(!holds(&world.settings, &older)?, "their history stays where it is");

    // The source goes on as ever, shallow notes or not, and later notes come too.
    let found = world.material(base).await?;
    let [note] = &found.notes[..] else { panic!("{:?}", found.notes) };
    let text = String::from_utf8_lossy(note.content.as_deref().unwrap_or_default()).into_owned();
    assert_eq!((note.commit.clone(), text.trim()), (head.to_string(), "one\n\na line"));
    let all: Vec<CommitId> = (3..100).map(|n| world.file("main", "a.yaml", &format!("a: {n}"))).collect();
    let found = world.material(head).await?;
    assert_eq!((found.notes.len(), found.commits.len()), (97, 97), "in folders by now");
    assert_eq!(found.notes[0].commit, all[96].to_string(), "the newest first");
    Ok(())
}

#[tokio::test]
async fn hand_made_notes_are_bounded() -> Result<(), SourceError> {
    let world = World::new();
    let base = world.file("main", "a.yaml", "a: 1");
    let head = world.file("main", "a.yaml", "a: 2");
    let id = head.to_string();
    let blob = |text: &[u8]| world.repo.git(&["hash-object", "-w", "--stdin"], text);
    let tree = |entries: &str| world.repo.git(&["mktree"], entries.as_bytes());
    let put_notes = |tree: &str| {
        let commit = world.repo.git(&["commit-tree", tree, "-m", "notes"], b"");
        world.repo.git(&["update-ref", APPROVALS, &commit], b"");
    };
    let read = async || -> Result<Vec<Option<Vec<u8>>>, SourceError> {
        fetch_since(&world.settings, &head, Some(base)).await?;
        let notes = fetch_notes(&world.settings).await?;
        let lineage = lineage(&world.settings, Some(base), head)?;
        let found = material(&world.settings, Some(base), head, lineage, notes)?;
        Ok(found.notes.into_iter().map(|note| note.content).collect())
    };
    // The same commit at two depths: both count.
    let (one, two) = (blob(b"one"), blob(b"two"));
    let inner = tree(&format!("100644 blob {two}\t{}\n", &id[2..]));
    put_notes(&tree(&format!("100644 blob {one}\t{id}\n040000 tree {inner}\t{}\n", &id[..2])));
    assert_eq!(read().await?, [Some(b"one\ntwo\n".to_vec())]);
    // Too large, and not a note at all.
    let huge = blob(&vec![b'x'; 300_000]);
    put_notes(&tree(&format!("100644 blob {huge}\t{id}\n")));
    assert_eq!(read().await?, [None]);
    put_notes(&tree(&format!("100644 blob {one}\tREADME\n040000 tree {inner}\t{id}\n")));
    assert!(read().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_commit_shows_a_change_from_what_is_accepted_to_the_head() -> Result<(), SourceError> {
    let world = World::new();
    world.file("main", "a.yaml", "a: 1");
    let base = world.file("main", "b.yaml", "b: 1");
    // One after the other: each shows what it and those before it did.
    let one = world.file("main", "a.yaml", "a: 2");
    let two = world.file("main", "b.yaml", "b: 2");
    let three = world.file("main", "a.yaml", "a: 3");
    let found = world.material(base).await?;
    let all = [one, two, three];
    assert_eq!(
        facts(&found.changes, &all),
        [("a.yaml".into(), vec![0, 2], vec![2]), ("b.yaml".into(), vec![1], vec![1, 2])]
    );
    // A branch, merged as it is: the merge writes nothing, and the branch shows its change.
    world.branch("topic", base);
    let topic = world.file("topic", "c.yaml", "c: 1");
    world.repo.git(&["update-ref", "refs/heads/main", &three.to_string()], b"");
    let main = world.file("main", "d/e.yaml", "e: 1");
    let tree = world.repo.git(&["merge-tree", "--write-tree", &main.to_string(), &topic.to_string()], b"");
    let merge = world.merge_as(&tree, [main, topic]);
    let found = world.material(three).await?;
    assert_eq!(
        facts(&found.changes, &[topic, main, merge]),
        [("c.yaml".into(), vec![0], vec![0, 2]), ("d/e.yaml".into(), vec![1], vec![1, 2])]
    );
    // An old branch that never touched a path shows no change of it, though it has the content that came back.
    world.branch("stale", base);
    let stale = world.file("stale", "f.yaml", "f: 1");
    let listing = |id: CommitId| world.repo.git(&["ls-tree", &id.to_string()], b"");
    let old = listing(base).lines().find(|line| line.ends_with("\ta.yaml")).expect("a file").to_owned();
    let new = listing(stale).lines().find(|line| line.ends_with("\tf.yaml")).expect("a file").to_owned();
    let kept = listing(merge);
    let kept = kept.lines().filter(|line| !line.ends_with("\ta.yaml")).chain([old.as_str(), new.as_str()]);
    let tree = world.repo.git(&["mktree"], (kept.collect::<Vec<_>>().join("\n") + "\n").as_bytes());
    let back = world.merge_as(&tree, [merge, stale]);
    let found = world.material(merge).await?;
    assert_eq!(
        facts(&found.changes, &[stale, back]),
        [("a.yaml".into(), vec![1], vec![1]), ("f.yaml".into(), vec![0], vec![0, 1])]
    );
    // Gone is a change like others.
    let gone: CommitId = world.repo.commit("main", "gone", &[delete("f.yaml")]).parse().expect("an id");
    let found = world.material(back).await?;
    assert_eq!(facts(&found.changes, &[gone]), [("f.yaml".into(), vec![0], vec![0])]);
    Ok(())
}

#[tokio::test]
async fn a_branch_that_took_in_the_accepted_one_begins_there() -> Result<(), SourceError> {
    let world = World::new();
    let root = world.file("main", "a.yaml", "a: 1");
    world.branch("topic", root);
    let first = world.file("topic", "b.yaml", "b: 1");
    let base = world.file("main", "a.yaml", "a: 2");
    let tree = world.repo.git(&["merge-tree", "--write-tree", &first.to_string(), &base.to_string()], b"");
    let taken = world.merge_as(&tree, [first, base]);
    world.branch("topic", taken);
    let second = world.file("topic", "a.yaml", "a: 3");
    let merge = world.merge_as(&world.tree(second), [base, second]);
    let found = world.material(base).await?;
    assert_eq!(
        facts(&found.changes, &[first, taken, second, merge]),
        [("a.yaml".into(), vec![2], vec![2, 3]), ("b.yaml".into(), vec![0], vec![0, 1, 2, 3])],
        "the first commit began before what is accepted, and shows b.yaml alone"
    );
    Ok(())
}

#[tokio::test]
async fn hand_made_trees_hide_nothing() -> Result<(), SourceError> {
    let world = World::new();
    let base = world.file("main", "x/a.yaml", "a: 1");
    let raw = |text: &str| world.repo.git(&["hash-object", "-w", "--stdin"], text.as_bytes());
    let bytes = |id: &str| -> Vec<u8> {
        (0..40).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).expect("hex")).collect()
    };
    let entry =
        |mode: &str, name: &str, id: &str| [format!("{mode} {name}\0").as_bytes(), &bytes(id)].concat();
    let (same, other) = (raw("a: 1"), raw("a: evil"));
    // The name twice, with the old content last; an unknown mode; a link.
    let twice = [entry("100644", "a.yaml", &other), entry("100644", "a.yaml", &same)].concat();
    let twice = world.repo.raw_object("tree", &twice);
    let odd =
        [entry("100600", "m.yaml", &same), entry("120000", "z.yaml", &same), entry("40000", "x", &twice)];
    let tree = world.repo.raw_object("tree", &[&odd[0][..], &odd[2], &odd[1]].concat());
    let id = world.repo.git(&["commit-tree", &tree, "-p", &base.to_string(), "-m", "odd"], b"");
    world.repo.git(&["update-ref", "refs/heads/main", &id], b"");
    let found = world.material(base).await?;
    let paths: Vec<&str> = found.changes.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["m.yaml", "x/a.yaml", "z.yaml"]);
    assert!(found.changes.iter().all(|one| one.writers == [id.clone()] && one.shown_by == [id.clone()]));
    Ok(())
}

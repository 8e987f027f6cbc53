//! Whether merges hold what merging gives: made by Git itself, and by hand.

use tenantry::{
    source::{CommitId, SourceError, fetch_since, first_changed},
    trust::history::Difference,
};

use crate::{
    World,
    repo::{Change, delete, put},
};

/// Lines that Git can tell apart.
fn lines(changed: &[(usize, &str)]) -> String {
    let line = |at: usize| {
        let own = changed.iter().find(|(place, _)| *place == at).map(|(_, text)| (*text).to_owned());
        own.unwrap_or_else(|| format!("line {at} of the file")) + "\n"
    };
    (0..40).map(line).collect()
}

impl World {
    fn put_on(&self, branch: &str, changes: &[Change]) -> CommitId {
        self.repo.commit(branch, "A change", changes).parse().expect("an id")
    }

    fn fork(&self, branch: &str, from: &str) {
        self.repo.git(&["branch", "--force", branch, from], b"");
    }

    /// What Git's own merge gives, without a work tree: as forges do it.
    fn merged_tree(&self, ours: &str, theirs: &str) -> String {
        let said = self.repo.git(&["merge-tree", "--write-tree", ours, theirs], b"");
        said.lines().next().expect("a tree").to_owned()
    }

    /// A merge with this tree, on a branch.
    fn join(&self, branch: &str, other: &str, tree: &str) -> CommitId {
        let [one, two] = [branch, other].map(|name| self.repo.id(name));
        let id = self.repo.git(&["commit-tree", tree, "-p", &one, "-p", &two, "-m", "Merge"], b"");
        self.repo.git(&["update-ref", &format!("refs/heads/{branch}"), &id], b"");
        id.parse().expect("an id")
    }

    /// Git's merge of a branch into another.
    fn merge_in(&self, branch: &str, other: &str) -> CommitId {
        let tree = self.merged_tree(branch, other);
        self.join(branch, other, &tree)
    }

    /// The tree of a revision with one file changed.
    fn with(&self, tree: &str, path: &str, text: &str) -> String {
        let blob = self.repo.git(&["hash-object", "-w", "--stdin"], text.as_bytes());
        let listed = self.repo.git(&["ls-tree", tree], b"");
        let name = |line: &str| line.split('\t').nth(1).map(str::to_owned);
        let mut entries: Vec<String> =
            listed.lines().filter(|line| name(line).as_deref() != Some(path)).map(str::to_owned).collect();
        entries.push(format!("100644 blob {blob}\t{path}"));
        self.repo.git(&["mktree"], format!("{}\n", entries.join("\n")).as_bytes())
    }

    /// Brings the head with its history since `base`, and compares these merges, the oldest first.
    async fn first(
        &self,
        base: CommitId,
        merges: &[CommitId],
    ) -> Result<Option<(CommitId, Difference)>, SourceError> {
        let head = self.resolve().await?;
        fetch_since(&self.settings, &head, Some(base)).await?;
        first_changed(&self.settings, merges.to_vec()).await
    }

    async fn is_merge(&self, base: CommitId, merge: CommitId) -> Result<bool, SourceError> {
        Ok(self.first(base, &[merge]).await?.is_none())
    }
}

fn own(paths: &[&str]) -> Difference {
    Difference::Own { paths: paths.iter().map(ToString::to_string).collect(), more: 0 }
}

#[tokio::test]
async fn what_merging_gives_passes_and_an_evil_merge_names_its_paths() -> Result<(), SourceError> {
    let world = World::new();
    let base =
        world.put_on("main", &[put("a.yaml", lines(&[])), put("b.yaml", "b: 1"), put("c.yaml", "c: 1")]);
    world.fetch().await?;
    world.fork("topic", "main");
    world.put_on("topic", &[put("a.yaml", lines(&[(3, "theirs")])), put("new.yaml", "n: 1")]);
    world.put_on("main", &[put("a.yaml", lines(&[(30, "ours")])), put("b.yaml", "b: 2"), delete("c.yaml")]);
    let good = world.merged_tree("main", "topic");
    let main = world.repo.id("main");
    let merge = world.join("main", "topic", &good);
    assert!(world.is_merge(base, merge).await?, "both changed one file, in different places");
    assert_eq!(world.first(base, &[]).await?, None);

    // The same parents, and something that neither has: in a file that both changed, in one that nobody did, a new one.
    for (path, text) in
        [("a.yaml", lines(&[(3, "evil")])), ("b.yaml", "b: 3".into()), ("evil.yaml", "e: 1".into())]
    {
        world.repo.git(&["update-ref", "refs/heads/main", &main], b"");
        let evil = world.join("main", "topic", &world.with(&good, path, &text));
        assert_eq!(world.first(base, &[merge, evil]).await?, Some((evil, own(&[path]))), "{path}");
    }
    // One side alone, as `-s ours` takes it, leaves out what the other changed.
    for (side, paths) in
        [("main", ["a.yaml", "new.yaml"].as_slice()), ("topic", &["a.yaml", "b.yaml", "c.yaml"])]
    {
        world.repo.git(&["update-ref", "refs/heads/main", &main], b"");
        let tree = world.repo.id(&format!("{side}^{{tree}}"));
        let evil = world.join("main", "topic", &tree);
        assert_eq!(world.first(base, &[evil]).await?, Some((evil, own(paths))), "{side}");
    }
    Ok(())
}

#[tokio::test]
async fn a_merge_that_conflicts_was_decided_by_somebody() -> Result<(), SourceError> {
    let world = World::new();
    let base = world.put_on("main", &[put("a.yaml", lines(&[])), put("b.yaml", "b: 1")]);
    world.fetch().await?;
    world.fork("topic", "main");
    world.put_on("topic", &[put("a.yaml", lines(&[(3, "theirs")]))]);
    world.put_on("main", &[put("a.yaml", lines(&[(3, "ours")]))]);
    let tree = world.repo.id("main^{tree}");
    let merge = world.join("main", "topic", &tree);
    assert_eq!(world.first(base, &[merge]).await?, Some((merge, own(&["a.yaml"]))));
    Ok(())
}

#[tokio::test]
async fn renames_deletions_and_binary_files_are_merged_as_git_does() -> Result<(), SourceError> {
    let world = World::new();
    let binary = |first: u8| Change::Put {
        path: "logo.png".into(),
        mode: "100644",
        bytes: [&[first, 0, 0xff, 0xfe][..], &[7; 500]].concat(),
    };
    let base = world.put_on("main", &[put("a.yaml", lines(&[])), put("gone.yaml", "g: 1"), binary(1)]);
    world.fetch().await?;
    // One side renames, the other edits; one changes the binary file, the other deletes another.
    world.fork("topic", "main");
    world.put_on("topic", &[delete("a.yaml"), put("tenants/a.yaml", lines(&[(5, "moved")])), binary(2)]);
    world.put_on("main", &[put("a.yaml", lines(&[(30, "ours")])), delete("gone.yaml")]);
    let merge = world.merge_in("main", "topic");
    assert!(world.is_merge(base, merge).await?);
    let tree = world.merged_tree(&format!("{merge}^1"), &format!("{merge}^2"));
    let names = world.repo.git(&["ls-tree", "-r", "--name-only", &tree], b"");
    assert_eq!(names, "logo.png\ntenants/a.yaml");

    // Both change the binary file: nothing is its merge.
    world.fork("topic", "main");
    world.put_on("topic", &[binary(3)]);
    world.put_on("main", &[binary(4)]);
    let theirs = world.repo.id("topic^{tree}");
    let merge = world.join("main", "topic", &theirs);
    assert_eq!(world.first(base, &[merge]).await?, Some((merge, own(&["logo.png"]))));
    Ok(())
}

#[tokio::test]
async fn criss_cross_merges_have_several_bases() -> Result<(), SourceError> {
    let world = World::new();
    let base = world.put_on("main", &[put("a.yaml", lines(&[])), put("b.yaml", lines(&[]))]);
    world.fetch().await?;
    world.fork("topic", "main");
    world.put_on("main", &[put("a.yaml", lines(&[(2, "main")]))]);
    world.put_on("topic", &[put("b.yaml", lines(&[(2, "topic")]))]);
    let (main, topic) = (world.repo.id("main"), world.repo.id("topic"));
    // Each takes the other as it was.
    let one = world.merge_in("main", &topic);
    let other = world.merge_in("topic", &main);
    world.put_on("main", &[put("a.yaml", lines(&[(2, "main again"), (20, "main")]))]);
    world.put_on("topic", &[put("b.yaml", lines(&[(2, "topic"), (30, "topic")]))]);
    let bases = world.repo.git(&["merge-base", "--all", "main", "topic"], b"");
    assert_eq!(bases.lines().count(), 2, "{bases}");
    let last = world.merge_in("main", "topic");
    assert_eq!(world.first(base, &[one, other, last]).await?, None);
    let evil = world.join("main", "topic", &world.with(&format!("{last}^{{tree}}"), "a.yaml", "evil"));
    assert_eq!(world.first(base, &[one, evil]).await?, Some((evil, own(&["a.yaml"]))));
    Ok(())
}

/// The copy begins at the accepted commit: what the merged branch grew from may lie below that.
#[tokio::test]
async fn a_branch_from_before_the_accepted_commit_is_merged() -> Result<(), SourceError> {
    let world = World::new();
    for number in 0..5 {
        world.put_on("main", &[put("a.yaml", lines(&[(1, &format!("{number}"))]))]);
    }
    world.fork("old", "main");
    for number in 5..90 {
        world.put_on("main", &[put("a.yaml", lines(&[(1, &format!("{number}"))]))]);
    }
    let base = world.put_on("main", &[put("b.yaml", "b: 1")]);
    world.fetch().await?;
    world.put_on("old", &[put("a.yaml", lines(&[(1, "4"), (30, "old")]))]);
    let merge = world.merge_in("main", "old");
    assert!(world.is_merge(base, merge).await?);
    // Directly on the accepted commit: nothing below it is here, nor needed.
    world.fork("topic", "main");
    world.put_on("topic", &[put("b.yaml", "b: 2")]);
    let next = world.merge_in("main", "topic");
    assert!(world.is_merge(merge, next).await?);
    Ok(())
}

#[tokio::test]
async fn what_is_no_merge_of_two_is_refused_in_words() -> Result<(), SourceError> {
    let world = World::new();
    let base = world.put_on("main", &[put("a.yaml", "a: 1")]);
    world.fetch().await?;
    let orphan = world.repo.replace("orphan", "Another root", &[put("b.yaml", "b: 1")]);
    let tree = world.repo.id("main^{tree}");
    let unrelated = world.join("main", "orphan", &tree);
    let why = |found: Option<(CommitId, Difference)>| match found {
        Some((_, Difference::Untold { why })) => why,
        other => panic!("{other:?}"),
    };
    assert!(why(world.first(base, &[unrelated]).await?).contains("have in common"));
    let [one, two] = [&base.to_string(), &world.repo.id("main")].map(|id| (*id).clone());
    let octopus =
        world.repo.git(&["commit-tree", &tree, "-p", &one, "-p", &two, "-p", &orphan, "-m", "Three"], b"");
    world.repo.git(&["update-ref", "refs/heads/main", &octopus], b"");
    assert!(why(world.first(base, &[octopus.parse()?]).await?).contains("more than two"));
    // What isn't here at all is damage, not a verdict.
    let gone = world.first(base, &["1".repeat(40).parse()?]).await.expect_err("not here");
    assert_eq!(gone.reason(), "Corrupt");
    Ok(())
}

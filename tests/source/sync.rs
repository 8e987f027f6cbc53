//! The good weather: what arrives, how little of it, and who changed it.

use tenantry::source::{Reference, SourceError, commit_info};

use crate::repo::{delete, put};
use crate::{World, text};

#[tokio::test]
async fn a_branch_arrives_shallow_and_then_grows_by_what_is_new() -> Result<(), SourceError> {
    let world = World::new();
    world.repo.commit("main", "old", &[put("a.yaml", "old")]);
    let first = world.repo.commit("main", "first", &[put("a.yaml", "a: 1"), put("t/b.yaml", "b: 1")]);
    assert_eq!(world.resolve().await?.to_string(), first);
    let fetched = world.fetch().await?;
    assert!(fetched.fresh && fetched.received > 0, "{fetched:?}");
    let one = world.sync(None).await?;
    assert_eq!(one.revision.to_string(), first);
    assert_eq!(one.files.keys().collect::<Vec<_>>(), ["a.yaml", "t/b.yaml"]);
    assert_eq!(text(&one, "a.yaml"), "a: 1");
    assert!(world.settings.repository.join("git/shallow").exists(), "the first fetch is shallow");

    let second = world.repo.commit("main", "second", &[put("a.yaml", "a: 2")]);
    let third = world.repo.commit("main", "third", &[put("t/c.yaml", "c: 1"), delete("t/b.yaml")]);
    let fetched = world.fetch().await?;
    assert!(!fetched.fresh && fetched.received < 2000, "{fetched:?}");
    let two = world.sync(Some(&one)).await?;
    assert_eq!(two.files.keys().collect::<Vec<_>>(), ["a.yaml", "t/c.yaml"]);
    assert_eq!(two.files["a.yaml"].commit.to_string(), second, "the commit that changed it, not the head");
    assert_eq!(two.files["t/c.yaml"].commit.to_string(), third);
    let info = commit_info(&world.settings, &two.files["a.yaml"].commit)?;
    assert_eq!((info.author.name.as_str(), info.subject.as_str()), ("Ada Test", "second"));
    assert_eq!(info.committer.email, "ada@example.com");
    Ok(())
}

#[tokio::test]
async fn what_is_here_is_not_fetched_again() -> Result<(), SourceError> {
    let world = World::new();
    world.repo.commit("main", "one", &[put("a.yaml", "a: 1")]);
    world.fetch().await?;
    world.server.asked();
    assert_eq!(world.fetch().await?.received, 0);
    let asked = world.server.asked();
    assert!(asked.iter().all(|asked| !asked.is_pack()), "{asked:?}");
    assert_eq!(asked.len(), 2, "one list for resolve, one for fetch: {asked:?}");
    Ok(())
}

#[tokio::test]
async fn tags_and_pinned_commits() -> Result<(), SourceError> {
    let mut world = World::new();
    let first = world.repo.commit("main", "one", &[put("a.yaml", "a: 1")]);
    world.repo.git(&["tag", "light", &first], b"");
    world.repo.git(&["tag", "-a", "-m", "annotated", "v1", &first], b"");
    let second = world.repo.commit("main", "two", &[put("a.yaml", "a: 2")]);
    world.repo.commit("main", "three", &[put("a.yaml", "a: 3")]);
    for (i, (reference, commit)) in [
        (Reference::Tag("light".to_owned()), &first),
        (Reference::Tag("v1".to_owned()), &first),
        (Reference::Commit(second.clone()), &second),
        (Reference::Commit(first.clone()), &first),
    ]
    .into_iter()
    .enumerate()
    {
        world.settings.reference = reference;
        world.settings.repository = world.folder.path().join(format!("copy{i}"));
        let snapshot = world.sync(None).await?;
        assert_eq!(&snapshot.revision.to_string(), commit, "{:?}", world.settings.reference);
    }
    Ok(())
}

//! What is new since the last accepted commit, over copies that are shallow, rewritten or cut short.

use tenantry::source::{CommitId, Lineage, SourceError, fetch_since, holds, lineage};

use crate::{
    World,
    repo::{delete, put},
};

impl World {
    fn change(&self, branch: &str, number: usize) -> CommitId {
        let id = self.repo.commit(branch, &format!("{number}"), &[put("a.yaml", format!("a: {number}"))]);
        id.parse().expect("an id")
    }

    /// A merge of a commit into a branch.
    fn merge(&self, branch: &str, other: CommitId) -> CommitId {
        let name = format!("refs/heads/{branch}");
        let (tree, other) = (format!("{name}^{{tree}}"), other.to_string());
        let id = self.repo.git(&["commit-tree", &tree, "-p", &name, "-p", &other, "-m", "Merge"], b"");
        self.repo.git(&["update-ref", &name, &id], b"");
        id.parse().expect("an id")
    }

    async fn since(&self, base: CommitId) -> Result<Lineage, SourceError> {
        let head = self.resolve().await?;
        fetch_since(&self.settings, &head, Some(base)).await?;
        lineage(&self.settings, Some(base), head)
    }
}

fn ids(lineage: &Lineage) -> Vec<CommitId> {
    lineage.commits.iter().map(|(id, _)| *id).collect()
}

#[tokio::test]
async fn a_new_copy_reaches_back_to_what_was_accepted() -> Result<(), SourceError> {
    let world = World::new();
    let all: Vec<CommitId> = (0..150).map(|number| world.change("main", number)).collect();
    let (base, head) = (all[10], all[149]);
    // The copy has the head alone: that is never taken for a whole history.
    assert!(world.fetch().await?.fresh);
    let short = lineage(&world.settings, Some(base), head)?;
    assert_eq!((short.descends, short.missing), (false, Some(all[148])));
    assert_eq!(lineage(&world.settings, None, head)?.commits.len(), 1, "trust starts at the head");

    let whole = world.since(base).await?;
    assert_eq!((whole.descends, whole.missing), (true, None));
    let expected: Vec<CommitId> = all[11..].iter().rev().copied().collect();
    assert_eq!(ids(&whole), expected);
    let raw = world.repo.git(&["cat-file", "commit", &head.to_string()], b"");
    assert_eq!(String::from_utf8_lossy(&whole.commits[0].1).trim_end(), raw);
    // And goes on from there.
    let next = world.change("main", 150);
    assert_eq!(ids(&world.since(head).await?), [next]);
    let same = world.since(next).await?;
    assert_eq!((same.descends, ids(&same)), (true, vec![next]));
    Ok(())
}

#[tokio::test]
async fn what_was_merged_is_new_and_what_it_grew_from_is_not() -> Result<(), SourceError> {
    let world = World::new();
    world.change("main", 0);
    let fork = world.change("main", 1);
    world.repo.git(&["branch", "topic", &fork.to_string()], b"");
    world.change("main", 2);
    let base = world.change("main", 3);
    world.fetch().await?;
    let (one, two) = (world.change("topic", 4), world.change("topic", 5));
    let merge = world.merge("main", two);
    let lineage = world.since(base).await?;
    assert_eq!((lineage.descends, lineage.missing), (true, None));
    assert_eq!(lineage.commits[0].0, merge);
    let mut found = ids(&lineage);
    let mut expected = vec![merge, one, two];
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "also where the copy ended at the base");
    Ok(())
}

#[tokio::test]
async fn rewritten_history_does_not_descend() -> Result<(), SourceError> {
    let world = World::new();
    let all: Vec<CommitId> = (0..4).map(|number| world.change("main", number)).collect();
    world.fetch().await?;
    // Rewound: the head is checked, though it was there before.
    world.repo.git(&["update-ref", "refs/heads/main", &all[1].to_string()], b"");
    let rewound = world.since(all[3]).await?;
    assert_eq!((rewound.descends, rewound.missing, ids(&rewound)), (false, None, vec![all[1]]));
    // Another branch from there.
    let other = world.change("main", 9);
    let amended = world.since(all[3]).await?;
    assert_eq!((amended.descends, amended.missing, ids(&amended)), (false, None, vec![other]));
    // Nothing in common, and a base that nobody has.
    let orphan: CommitId = world.repo.replace("main", "orphan", &[put("b.yaml", "b")]).parse()?;
    for base in [all[3], "1".repeat(40).parse()?] {
        let found = world.since(base).await?;
        assert_eq!((found.descends, found.missing, ids(&found)), (false, None, vec![orphan]));
    }
    assert!(holds(&world.settings, &orphan)? && !holds(&world.settings, &"1".repeat(40).parse()?)?);
    Ok(())
}

/// More history than the limit allows: the head arrives all the same, and the gap is named.
#[tokio::test]
async fn history_that_does_not_fit_is_missing_and_no_failure() -> Result<(), SourceError> {
    let mut world = World::new();
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (state >> 59) as u8 % 26)
    };
    let base = world.change("main", 0);
    for number in 0..4 {
        let text: String = std::iter::repeat_with(&mut noise).take(300_000).collect();
        world.repo.commit("main", &format!("n{number}"), &[put(format!("{number}.txt"), text)]);
        world.repo.commit("main", "less", &[delete(&format!("{number}.txt"))]);
    }
    let head = world.change("main", 1);
    world.settings.limits.repository_bytes = 400_000;
    let found = world.since(base).await?;
    assert!(!found.descends && found.missing.is_some(), "{found:?}");
    assert_eq!(found.commits[0].0, head);
    assert!(holds(&world.settings, &head)?);
    world.settings.limits.repository_bytes = 4_000_000;
    let found = world.since(base).await?;
    assert_eq!((found.descends, found.missing, found.commits.len()), (true, None, 9));
    Ok(())
}

//! The documented APIs: lists with pages, comments, statuses, approvals.

use tenantry::forge::{Brought, ForgeApproval, Pull, State, Status, Wrote};

use crate::{KINDS, fake, fake::Kind, pair};

fn id(number: u64) -> String {
    format!("{number:040x}")
}

fn pull(number: u64, base: &str) -> fake::Pull {
    fake::Pull { number, head: id(number), base: base.into(), author: "ann".into(), ..fake::Pull::default() }
}

#[tokio::test]
async fn every_page_of_open_pull_requests_is_read() {
    for kind in KINDS {
        let (fake, client) = pair(kind).await;
        {
            let mut state = fake.state();
            state.page = 3;
            state.pulls = (1..=7).rev().map(|number| pull(number, "main")).collect();
            state.pulls.push(pull(8, "release"));
            state.pulls.push(fake::Pull { merged: true, ..pull(9, "main") });
        }
        let found = client.open_pulls("main").await.expect("pull requests");
        let expected: Vec<_> =
            (1..=7).map(|number| Pull { number, head: id(number), base: "main".into() }).collect();
        assert_eq!(found, expected, "{kind:?}");
        let strange = std::mem::take(&mut fake.state().strange);
        assert!(strange.is_empty(), "{kind:?}: {strange:?}");
    }
}

#[tokio::test]
async fn one_comment_is_kept_up_to_date() {
    for kind in KINDS {
        let (fake, client) = pair(kind).await;
        {
            let mut state = fake.state();
            state.page = 2;
            // Somebody else's mark, on the first page.
            for (index, author) in ["mallory", "ann", "bob"].into_iter().enumerate() {
                let body = "<!-- tenantry:plan:prod -->\nnothing changes".to_owned();
                let id = 100 + index as u64;
                state.comments.push(fake::Comment { id, pull: 7, author: author.into(), body });
            }
        }
        assert_eq!(client.comment(7, "prod", "one @all").await.expect("posted"), Wrote::Created, "{kind:?}");
        assert_eq!(client.comment(7, "prod", "one @all").await.expect("posted"), Wrote::Same, "{kind:?}");
        assert_eq!(client.comment(7, "prod", "two").await.expect("posted"), Wrote::Updated, "{kind:?}");
        assert_eq!(client.comment(7, "staging", "two").await.expect("posted"), Wrote::Created, "{kind:?}");
        assert_eq!(fake.writes().len(), 3, "{kind:?}");
        let state = fake.state();
        let ours: Vec<_> = state.comments[3..].iter().map(|one| (one.pull, one.body.as_str())).collect();
        assert_eq!(
            ours,
            [(7, "<!-- tenantry:plan:prod -->\ntwo"), (7, "<!-- tenantry:plan:staging -->\ntwo")],
            "{kind:?}"
        );
        assert!(state.comments[..3].iter().all(|one| one.body.ends_with("nothing changes")), "{kind:?}");
        assert!(state.strange.is_empty(), "{kind:?}: {:?}", state.strange);
    }
}

#[tokio::test]
async fn a_status_is_written_when_it_differs() {
    for kind in KINDS {
        let (fake, client) = pair(kind).await;
        fake.state().page = 1;
        let commit = id(5);
        let status = |context: &str, state, words: &str| Status {
            context: context.into(),
            state: Some(state),
            description: words.into(),
        };
        let steps = [
            (status("tenantry/plan/prod", State::Pending, "held"), Wrote::Created),
            (status("tenantry/applied/prod", State::Success, "applied"), Wrote::Created),
            (status("tenantry/plan/prod", State::Pending, "held"), Wrote::Same),
            (status("tenantry/plan/prod", State::Failure, "2 findings"), Wrote::Updated),
            (status("tenantry/plan/prod", State::Failure, "1 finding"), Wrote::Updated),
            (status("tenantry/plan/prod", State::Success, "nothing changes"), Wrote::Updated),
            (status("tenantry/plan/prod", State::Success, "nothing changes"), Wrote::Same),
        ];
        for (status, wrote) in steps {
            assert_eq!(client.status(&commit, &status).await.expect("posted"), wrote, "{kind:?} {status:?}");
        }
        let said = |context| fake.status(&commit, context).expect("a status");
        assert_eq!(said("tenantry/plan/prod"), ("success".into(), "nothing changes".into()), "{kind:?}");
        assert_eq!(said("tenantry/applied/prod").0, "success", "{kind:?}");
        assert!(fake.state().strange.is_empty(), "{kind:?}: {:?}", fake.state().strange);
    }
}

/// GitLab refuses a state that a status has already, also with other words.
#[tokio::test]
async fn gitlab_keeps_a_pending_status_and_that_is_fine() {
    let (fake, client) = pair(Kind::GitLab).await;
    let status = |words: &str| Status {
        context: "tenantry/plan/prod".into(),
        state: Some(State::Pending),
        description: words.into(),
    };
    assert_eq!(client.status(&id(1), &status("21 effects")).await.expect("posted"), Wrote::Created);
    assert_eq!(client.status(&id(1), &status("22 effects")).await.expect("posted"), Wrote::Same);
    assert_eq!(fake.state().statuses.len(), 1);
}

#[tokio::test]
async fn who_approved_what_a_commit_came_with() {
    let at = |day: u32| format!("2026-01-{day:02}T00:00:00Z");
    for kind in KINDS {
        let (fake, client) = pair(kind).await;
        let no = if kind == Kind::Gitea { "REQUEST_CHANGES" } else { "CHANGES_REQUESTED" };
        let review = |user: &str, state: &str, commit: u64, day| {
            (user.to_owned(), state.to_owned(), id(commit), at(day))
        };
        let mut merged = fake::Pull { merged: true, ..pull(4, "main") };
        merged.reviews = vec![review("bob", "APPROVED", 3, 2), review("cat", "APPROVED", 4, 4)];
        if kind == Kind::GitLab {
            // It lists who approves now, and heads beside it.
            merged.versions = vec![(id(4), at(3)), (id(3), at(1))];
        } else {
            merged.reviews.insert(0, review("dan", "APPROVED", 3, 1));
            merged.reviews.push(review("dan", no, 4, 5));
            merged.reviews.push(review("cat", "COMMENT", 4, 6));
        }
        {
            let mut state = fake.state();
            state.page = 1;
            state.pulls = vec![merged, pull(6, "main")];
        }
        let found = client.brought("main", &id(4)).await.expect("approvals");
        let approval = |user: &str, commit: u64, day| ForgeApproval {
            user: user.into(),
            commit: Some(id(commit)),
            at: Some(at(day)),
        };
        let [Brought { pull, approvals }] = found.as_slice() else { panic!("{kind:?}: {found:?}") };
        assert_eq!((pull.number, pull.author.as_str(), &pull.head), (4, "ann", &id(4)), "{kind:?}");
        assert_eq!(approvals, &[approval("bob", 3, 2), approval("cat", 4, 4)], "{kind:?}");
        assert!(client.brought("release", &id(4)).await.expect("another branch").is_empty(), "{kind:?}");
        assert!(client.brought("main", &id(9)).await.expect("pushed by hand").is_empty(), "{kind:?}");
        assert!(client.brought("main", &id(6)).await.expect("still open").is_empty(), "{kind:?}");
    }
}

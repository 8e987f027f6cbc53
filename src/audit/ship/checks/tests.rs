use super::*;
use crate::store::address::Written;

fn good() -> Findings {
    Findings {
        owner: Ok(Owner::Right),
        account: Ok(Some("111111111111".into())),
        versioned: Ok(true),
        lock: Ok(Some(lock("COMPLIANCE", 365))),
        conditional: Ok(true),
        rights: vec![(Right::Read, Ok(false)), (Right::List, Ok(false)), (Right::Remove, Ok(false))],
        ahead: None,
    }
}

fn lock(mode: &str, days: u32) -> Lock {
    Lock { mode: mode.into(), days }
}

fn denied() -> StoreError {
    StoreError {
        class: Class::Denied,
        action: "read",
        place: "b".into(),
        said: String::new(),
        written: Written::Flags,
    }
}

fn said(findings: &Findings) -> &'static str {
    let asked = Asked { owner: "222222222222".into(), lock: lock("COMPLIANCE", 365) };
    let judged = judge("logs", &asked, findings);
    assert_eq!(judged.fit, judged.reason == "Succeeded", "{judged:?}");
    assert!(judged.fit || !judged.message.is_empty());
    judged.reason
}

#[test]
fn an_archive_is_fit_only_when_all_is_right() {
    assert_eq!(said(&good()), "Succeeded");
    let unknown = Findings { account: Ok(None), owner: Ok(Owner::Untold), ..good() };
    assert_eq!(said(&unknown), "Succeeded");
    let minutes = |count| Some(SignedDuration::from_mins(count));
    let allowed = |right| Findings { rights: vec![(Right::Read, Ok(false)), (right, Ok(true))], ..good() };
    for (findings, reason) in [
        (Findings { owner: Ok(Owner::Wrong), ..good() }, "WrongOwner"),
        (Findings { owner: Ok(Owner::NotAsked), ..good() }, "WrongOwner"),
        (Findings { owner: Err(denied()), ..good() }, "SinkDenied"),
        (Findings { account: Ok(Some("222222222222".into())), ..good() }, "SameAccount"),
        (Findings { account: Err(denied()), ..good() }, "SinkDenied"),
        (Findings { versioned: Ok(false), ..good() }, "NotImmutable"),
        (Findings { conditional: Ok(false), ..good() }, "NotImmutable"),
        (Findings { lock: Ok(None), ..good() }, "NotImmutable"),
        (Findings { lock: Ok(Some(lock("GOVERNANCE", 999))), ..good() }, "NotImmutable"),
        (Findings { lock: Ok(Some(lock("COMPLIANCE", 364))), ..good() }, "LockTooShort"),
        (allowed(Right::List), "WriterCanRead"),
        (allowed(Right::Read), "WriterCanRead"),
        (allowed(Right::Remove), "WriterCanDelete"),
        (allowed(Right::RemoveVersion), "WriterCanDelete"),
        (Findings { ahead: minutes(6), ..good() }, "ClockSkew"),
    ] {
        assert_eq!(said(&findings), reason, "{findings:?}");
    }
}

#[test]
fn nothing_goes_to_a_stranger_and_copies_go_on_where_a_policy_was_widened() {
    assert!(may_ship(&good()));
    let widened = Findings { rights: vec![(Right::Read, Ok(true))], lock: Ok(None), ..good() };
    assert!(may_ship(&widened) && said(&widened) != "Succeeded");
    for owner in [Ok(Owner::Wrong), Ok(Owner::NotAsked), Err(denied())] {
        assert!(!may_ship(&Findings { owner, ..good() }));
    }
}

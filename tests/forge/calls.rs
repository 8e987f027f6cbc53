//! Every call that is made, as recorded: what a forge's documentation is compared with.
//! `UPDATE_GOLDEN=1 cargo test --test forge` writes them anew.

use std::{fmt::Write as _, path::Path};

use tenantry::forge::{State, Status, call::Call, place::dialect};

use crate::{KINDS, spoken};

fn line(text: &mut String, call: &Call) {
    let body = call.body.as_ref().map(|body| format!(" {body}")).unwrap_or_default();
    writeln!(text, "{} {}{body}", call.verb.as_str(), call.path).expect("a String");
}

#[test]
fn calls_are_as_recorded() {
    let commit = "c0ffee".repeat(6) + "c0ff";
    let status = |state| Status {
        context: "tenantry/plan/prod".into(),
        state: Some(state),
        description: "1 Tenant changes".into(),
    };
    let mut text = String::new();
    for kind in KINDS {
        let forge = dialect(spoken(kind), "acme/config".into());
        writeln!(text, "# {kind:?}: Authorization: {}", forge.authorization("TOKEN")).expect("a String");
        line(&mut text, &forge.me().call);
        line(&mut text, &forge.open("release/1.0 #2&x=y", 1).call);
        line(&mut text, &forge.brought(&commit, 1).call);
        line(&mut text, &forge.reviews(7, 1).call);
        if let Some(ask) = forge.versions(7, 1) {
            line(&mut text, &ask.call);
        }
        line(&mut text, &forge.comments(7, 2).call);
        line(&mut text, &forge.comment(7, None, "a\n\"b\"").call);
        line(&mut text, &forge.comment(7, Some(42), "a").call);
        line(&mut text, &forge.statuses(&commit, "tenantry/plan/prod", 1).call);
        for state in [State::Success, State::Failure, State::Pending] {
            line(&mut text, &forge.set_status(&commit, &status(state)).call);
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forge/calls.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("it can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "UPDATE_GOLDEN=1 cargo test --test forge writes it anew");
}

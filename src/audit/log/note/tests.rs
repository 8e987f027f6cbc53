use super::*;

fn now() -> Timestamp {
    "2026-11-23T00:00:00Z".parse().unwrap()
}

/// The key and note of the tests of golang.org/x/mod/sumdb/note, which C2SP took over.
#[test]
fn notes_of_the_first_implementation_are_read() {
    let key = PublicKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
    let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    let note = format!(
        "{text}\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    );
    let note = Note::parse(note.as_bytes()).unwrap();
    assert_eq!((note.text(), note.signed(&key)), (text, Signed::Yes(None)));
    assert_eq!(key.to_string(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
}

#[test]
fn a_key_signs_what_it_reads_again() {
    for kind in [Kind::Log, Kind::Witness] {
        let key = PrivateKey::of_seed("tenantry.dev/a", kind, [7; 32]).unwrap();
        let key = PrivateKey::parse(&key.expose()).unwrap();
        let note = key.sign(Note::new("a\n\nb\n".into()), now());
        let read = Note::parse(&note.bytes()).unwrap();
        assert_eq!(read, note);
        let when = (kind == Kind::Witness).then(now);
        assert_eq!(read.signed(key.public()), Signed::Yes(when));
        let other = key.named("tenantry.dev/b").unwrap();
        assert_eq!(read.signed(other.public()), Signed::No);
        let changed = String::from_utf8(note.bytes()).unwrap().replacen('a', "c", 1);
        assert_eq!(Note::parse(changed.as_bytes()).unwrap().signed(key.public()), Signed::Wrong);
        assert!(!format!("{key:?}").contains(&key.expose()[20..]));
    }
}

/// One that is right doesn't make up for one that isn't, wherever it stands.
#[test]
fn a_wrong_signature_beside_a_right_one_is_wrong() {
    let key = PrivateKey::of_seed("a", Kind::Log, [7; 32]).unwrap();
    let right = key.sign(Note::new("a\n".into()), now()).signatures.remove(0);
    let wrong = key.sign(Note::new("b\n".into()), now()).signatures.remove(0);
    for signatures in [vec![right.clone(), wrong.clone()], vec![wrong, right]] {
        let note = Note { text: "a\n".into(), signatures };
        assert_eq!(note.signed(key.public()), Signed::Wrong);
    }
}

#[test]
fn what_is_no_note_is_refused() {
    for text in ["", "a\n", "a\n\n", "a\n\n\n", "a\n\n- b c\n", "a\n\n\u{2014} b c\n", "a\0\n\n"] {
        assert!(Note::parse(text.as_bytes()).is_err(), "{text:?}");
    }
    assert!(Note::parse(b"\xff").is_err());
    for key in ["", "a", "a+b", "a+00000000+", "a+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"] {
        assert!(PublicKey::parse(key).is_err(), "{key}");
    }
}

use proptest::prelude::*;

use super::super::record::{Object, Outcome, Person};
use super::*;

fn change(index: usize) -> Change {
    Change {
        time: "2026-01-01T00:00:00Z".to_owned(),
        platform: "shop".to_owned(),
        file: format!("tenants/t{index}.yaml"),
        commit: "c".repeat(40),
        author: Person { name: "Ada".to_owned(), ..Person::default() },
        committer: Person::default(),
        signer: None,
        approvers: Vec::new(),
        object: Object { kind: "Tenant".to_owned(), name: format!("t{index}"), uid: String::new() },
        before: None,
        after: Some("d".repeat(64)),
        outcome: Outcome::Created,
    }
}

/// Segments with so many changes each, and the text of their head.
fn trail(sizes: &[usize]) -> (Vec<Vec<u8>>, String) {
    let mut tip = Tip::default();
    let mut segments = Vec::new();
    for (index, size) in sizes.iter().enumerate() {
        let number = u32::try_from(index + 1).expect("few segments");
        let mut text = tip.push(Entry::Segment(Segment { format: FORMAT, number, broken: None }));
        (0..*size).for_each(|index| text += &tip.push(Entry::Change(Box::new(change(index)))));
        segments.push(text.into_bytes());
    }
    (segments, tip.to_text())
}

fn verified(segments: &[Vec<u8>], head: &str) -> Verified {
    let names: Vec<String> = (1..=segments.len()).map(|number| format!("{number:06}.jsonl")).collect();
    let pieces: Vec<Piece<'_>> =
        names.iter().zip(segments).map(|(name, bytes)| Piece { name, bytes }).collect();
    verify(&pieces, Some(head))
}

fn lines(segments: &[Vec<u8>]) -> Vec<Vec<Vec<u8>>> {
    let split = |bytes: &Vec<u8>| bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    segments.iter().map(split).collect()
}

fn joined(lines: Vec<Vec<Vec<u8>>>) -> Vec<Vec<u8>> {
    lines.into_iter().map(|segment| segment.concat()).collect()
}

#[test]
fn a_line_is_canonical_and_reads_back() {
    let mut tip = Tip::default();
    let line = tip.push(Entry::Change(Box::new(change(1))));
    assert!(line.starts_with(r#"{"change":{"after":"ddd"#), "{line}");
    assert!(line.ends_with(&format!(r#","previous":"{}","sequence":1}}{}"#, "0".repeat(64), "\n")), "{line}");
    let link: Link = serde_json::from_str(&line).expect("a link");
    assert_eq!(link.entry, Entry::Change(Box::new(change(1))));
    assert_eq!(Tip::from_text(&tip.to_text()), Some(tip));
    assert_eq!(Tip::from_text("nonsense\n"), None);
}

#[test]
fn a_break_is_named_and_what_comes_after_holds() {
    let (mut segments, head) = trail(&[3]);
    let cut = segments[0].len() - 5;
    segments[0].truncate(cut);
    let mut tip = Tip { hash: hash(&segments[0]), ..Tip::from_text(&head).expect("a head") };
    let start = Segment { format: FORMAT, number: 2, broken: Some("record 4 is gone".to_owned()) };
    let mut text = tip.push(Entry::Segment(start));
    text += &tip.push(Entry::Change(Box::new(change(9))));
    segments.push(text.into_bytes());
    let found = verified(&segments, &tip.to_text());
    assert_eq!(found.problems, ["000002.jsonl begins anew after 000001.jsonl: record 4 is gone"]);
    assert_eq!(found.changes.len(), 3, "two before, one after");
    segments[0][40] ^= 1;
    let found = verified(&segments, &tip.to_text());
    assert!(found.problems.iter().any(|one| one.contains("was changed since")), "{found:?}");
}

proptest! {
    /// Whatever is changed, removed or moved, between the first byte and the last: noticed.
    #[test]
    fn nothing_is_changed_removed_or_swapped_unseen(
        sizes in prop::collection::vec(0usize..5, 1..4),
        what in 0u8..5,
        one in any::<prop::sample::Index>(),
        two in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let (segments, head) = trail(&sizes);
        let whole = verified(&segments, &head);
        prop_assert!(whole.problems.is_empty(), "{whole:?}");
        prop_assert_eq!(whole.changes.len(), sizes.iter().sum::<usize>());

        let places: Vec<(usize, usize)> = sizes.iter().enumerate()
            .flat_map(|(segment, size)| (0..=*size).map(move |line| (segment, line))).collect();
        let (a, b) = (places[one.index(places.len())], places[two.index(places.len())]);
        let mut lines = lines(&segments);
        match what {
            0 => {
                let bytes = &mut lines[a.0][a.1];
                let at = two.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            1 => drop(lines[a.0].remove(a.1)),
            2 => {
                prop_assume!(a != b);
                let (x, y) = (lines[a.0][a.1].clone(), lines[b.0][b.1].clone());
                lines[a.0][a.1] = y;
                lines[b.0][b.1] = x;
            }
            3 => {
                let copy = lines[a.0][a.1].clone();
                lines[a.0].insert(a.1, copy);
            }
            _ => drop(lines.remove(a.0)),
        }
        let found = verified(&joined(lines), &head);
        prop_assert!(!found.problems.is_empty(), "not noticed: {what} at {a:?}");
    }

    /// A write that was cut off leaves what was written before it, and no problem.
    #[test]
    fn a_torn_tail_is_told_from_a_lost_record(size in 1usize..5, cut in any::<prop::sample::Index>()) {
        let (segments, head) = trail(&[size]);
        let mut tip = Tip::from_text(&head).expect("a head");
        let more = tip.push(Entry::Change(Box::new(change(7))));
        let mut bytes = segments[0].clone();
        bytes.extend_from_slice(&more.as_bytes()[..cut.index(more.len())]);
        let checked = check(&bytes);
        prop_assert_eq!(&checked.problem, &None);
        prop_assert_eq!((checked.good, checked.torn), (segments[0].len(), bytes.len() - segments[0].len()));
        prop_assert_eq!(verified(&[bytes], &head).problems, Vec::<String>::new());
    }
}

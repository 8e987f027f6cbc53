//! Did you mean …?

/// The known name that a mistyped one most likely stands for.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.get(..name.len().min(80)).unwrap_or_default().to_lowercase();
    let room = (name.chars().count() / 3).max(1);
    known
        .map(|candidate| (distance(&name, &candidate.to_lowercase()), candidate))
        .filter(|(steps, _)| *steps <= room)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours between two texts.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let swap = i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b;
            let replaced = rows[i][j] + usize::from(a != b);
            let moved = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            row.push(if swap { moved.min(rows[i - 1][j - 1] + 1) } else { moved });
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = ["replicas", "image", "ports", "minAvailable", "env"];
        for (typed, meant) in [
            ("replica", Some("replicas")),
            ("Replicas", Some("replicas")),
            ("imgae", Some("image")),
            ("minavailable", Some("minAvailable")),
            ("min_available", Some("minAvailable")),
            ("port", Some("ports")),
            ("volumes", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known.into_iter()), meant, "{typed}");
        }
    }
}

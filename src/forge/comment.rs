//! The one comment that a Platform keeps on a pull request: found again by a mark that nobody sees. Pure.

use super::types::Comment;

/// Most characters of a comment: GitHub takes 65,536, GitLab a million; with room for the mark.
pub const MOST: usize = 65_000;

/// The mark of a Platform's comment. `name` is a DNS name, which can't end an HTML comment.
pub fn mark(name: &str) -> String {
    format!("<!-- tenantry:plan:{name} -->")
}

/// The comment with its mark on top, where nothing cuts it off. One that is too long says so instead.
pub fn body(name: &str, plan: &str) -> String {
    let whole = format!("{}\n{plan}", mark(name));
    if whole.chars().count() <= MOST {
        return whole;
    }
    let first = plan.lines().next().unwrap_or_default();
    let first: String = first.chars().take(1000).collect();
    format!(
        "{}\n{first}\n\nThe plan is too long for a comment; `tenantry plan` shows all of it.\n",
        mark(name)
    )
}

/// The comment that is ours: with our mark, and written by us. Anybody can write a mark.
pub fn ours<'a>(comments: &'a [Comment], name: &str, me: &str) -> Option<&'a Comment> {
    let mark = mark(name);
    comments.iter().find(|one| one.author == me && one.body.starts_with(&mark))
}

/// Whether two texts are the same to a forge: it may change ends of lines, and drop blanks at the end.
pub fn same(one: &str, other: &str) -> bool {
    let lines = |text: &str| {
        let lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n").trim_end().to_owned()
    };
    lines(one) == lines(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(id: u64, author: &str, body: &str) -> Comment {
        Comment { id, author: author.into(), body: body.into() }
    }

    #[test]
    fn only_our_own_comment_is_ours() {
        let comments = [
            comment(1, "mallory", &body("prod", "nothing changes")),
            comment(2, "bot", "see <!-- tenantry:plan:prod -->"),
            comment(3, "bot", &body("production", "x")),
            comment(4, "bot", &body("prod", "x")),
            comment(5, "bot", &body("prod", "y")),
        ];
        assert_eq!(ours(&comments, "prod", "bot").map(|one| one.id), Some(4), "the oldest of two");
        assert_eq!(ours(&comments, "staging", "bot"), None);
        assert_eq!(ours(&comments[..3], "prod", "bot"), None);
    }

    #[test]
    fn a_long_plan_keeps_its_mark_and_its_first_line() {
        let long = format!("**Tenantry plan:** many\n\n{}", "é\n".repeat(40_000));
        let text = body("prod", &long);
        assert!(text.starts_with(&mark("prod")) && text.contains("many") && text.contains("too long"));
        assert!(text.chars().count() < 2000);
        let fits = body("prod", &"é".repeat(1000));
        assert!(fits.contains(&"é".repeat(1000)));
    }

    #[test]
    fn what_a_forge_does_to_white_space_is_no_change() {
        assert!(same("a\r\nb  \n\n", "a\nb"));
        assert!(!same("a\nb", "a\nc"));
    }
}

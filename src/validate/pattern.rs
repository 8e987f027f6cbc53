//! Patterns of paths: which files a rule speaks of.
//!
//! `*` and `?` stay inside one folder or name, `**` stands for any number of folders, none included. Nothing else
//! is special: no classes, no alternatives, no negation, so that a pattern means what it looks like.

use super::text::is_hidden;

/// Most folders of a pattern: matching costs their product with the path's.
const DEEPEST: usize = 32;

/// A pattern that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<String>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let parts: Vec<String> = text.split('/').map(ToOwned::to_owned).collect();
        if text.starts_with('/') {
            return Err("paths begin at the top of the repository, without a slash");
        }
        if text.ends_with('/') {
            return Err("it names a folder; write folder/** for what is in it");
        }
        if parts.iter().any(String::is_empty) {
            return Err("it has an empty part");
        }
        if parts.iter().any(|part| part == "." || part == "..") {
            return Err("it has a part . or .., which no path in a repository has");
        }
        if parts.iter().any(|part| part.contains("**") && part != "**") {
            return Err("** stands alone between slashes; inside a name write one *");
        }
        if parts.len() > DEEPEST {
            return Err("it has more than 32 parts");
        }
        if text.chars().any(|c| is_hidden(c) || c.is_control()) || text.contains('\\') {
            return Err("it has a backslash, or a character that can't be seen");
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// Whether it matches a path from the top of the repository.
    pub fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        // reach[n]: the parts so far match the first n names.
        let mut reach = vec![false; names.len() + 1];
        if let Some(first) = reach.first_mut() {
            *first = true;
        }
        for (index, part) in self.parts.iter().enumerate() {
            let mut next = vec![false; names.len() + 1];
            // At the end `**` takes at least one name: `tenants/**` speaks of what is in the folder.
            let last = index + 1 == self.parts.len();
            let mut open = false;
            for (at, reached) in reach.iter().enumerate() {
                if part == "**" {
                    next[at] = open || (*reached && !last);
                    open |= *reached;
                } else if *reached && names.get(at).is_some_and(|name| matches_name(part, name)) {
                    next[at + 1] = true;
                }
            }
            reach = next;
        }
        reach.last() == Some(&true)
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// One name against one part. Goes back to the last star only, so that the cost is the product of the lengths.
fn matches_name(part: &str, name: &str) -> bool {
    let (part, name): (Vec<char>, Vec<char>) = (part.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match part.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
        }
    }
    part[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_look_like() {
        for (pattern, path, expected) in [
            ("**", "a", true),
            ("**", "a/b/c.yaml", true),
            ("tenants/**", "tenants/a.yaml", true),
            ("tenants/**", "tenants/a/b/c.yaml", true),
            ("tenants/**", "tenants", false),
            ("tenants/**", "tenants2/a.yaml", false),
            ("tenants/*", "tenants/a.yaml", true),
            ("tenants/*", "tenants/a/b.yaml", false),
            ("**/*.yaml", "a.yaml", true),
            ("**/*.yaml", "a/b/c.yaml", true),
            ("**/*.yaml", "a/b/c.yml", false),
            ("a/**/z", "a/z", true),
            ("a/**/z", "a/b/c/z", true),
            ("a/**/z", "a/b/c", false),
            ("a/**/b/**", "a/b", false),
            ("a/**/b/**", "a/x/b/c", true),
            ("tenants/ac*e?.yaml", "tenants/acme1.yaml", true),
            ("tenants/ac*e?.yaml", "tenants/acme.yaml", false),
            ("*", "ünïcode.yaml", true),
            ("a.b", "axb", false),
            ("A", "a", false),
            ("*a*a*a*a*a*a*b", &"a".repeat(2000), false),
        ] {
            let read = Pattern::parse(pattern).unwrap_or_else(|problem| panic!("{pattern}: {problem}"));
            assert_eq!(read.matches(path), expected, "{pattern} on {path}");
            assert_eq!(read.to_string(), pattern);
        }
    }

    #[test]
    fn what_can_match_nothing_is_refused() {
        let deep = vec!["a"; DEEPEST + 1].join("/");
        for bad in
            ["", "/a", "a/", "a//b", "a/../b", "./a", "a/**b", "***", "a\u{202e}b", "a\\b", "a\n", &deep]
        {
            assert!(Pattern::parse(bad).is_err(), "{bad:?}");
        }
    }
}

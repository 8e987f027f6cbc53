//! Rust source as the rules see it: without comments and text, with its functions, modules and paths.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The code with comments, strings and characters blanked; lines stay where they are.
pub fn code(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = blank_end(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment, string or character that starts here ends; `at` itself when none does.
fn blank_end(chars: &[char], at: usize) -> usize {
    let next = |offset: usize| chars.get(at + offset).copied().unwrap_or(' ');
    let before = if at == 0 { ' ' } else { chars[at - 1] };
    match chars[at] {
        '/' if next(1) == '/' => find(chars, at, |i| chars[i] == '\n'),
        '/' if next(1) == '*' => 1 + find(chars, at + 2, |i| chars[i - 1] == '*' && chars[i] == '/'),
        '"' => 1 + find(chars, at + 1, |i| chars[i] == '"' && !escaped(chars, i)),
        'r' if !before.is_alphanumeric() && before != '_' && matches!(next(1), '"' | '#') => {
            let hashes = (1..).take_while(|offset| next(*offset) == '#').count();
            if next(1 + hashes) != '"' {
                return at;
            }
            let closes =
                |i: usize| chars[i] == '"' && (1..=hashes).all(|offset| chars.get(i + offset) == Some(&'#'));
            1 + hashes + find(chars, at + 2 + hashes, closes)
        }
        // A lifetime has no closing quote.
        '\'' if next(1) == '\\' => 1 + find(chars, at + 3, |i| chars[i] == '\''),
        '\'' if next(2) == '\'' => at + 3,
        _ => at,
    }
    .min(chars.len())
}

fn find(chars: &[char], from: usize, is: impl Fn(usize) -> bool) -> usize {
    (from..chars.len()).find(|i| is(*i)).unwrap_or(chars.len())
}

/// Whether an odd number of backslashes stands before this character.
fn escaped(chars: &[char], at: usize) -> bool {
    chars[..at].iter().rev().take_while(|c| **c == '\\').count() % 2 == 1
}

/// The code without items under `#[cfg(test)]`.
pub fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let end = item_end(&out, start);
        let blank: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    out
}

/// The end of the item that starts here: its `;`, or the brace that closes its body.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0i32;
    for (offset, c) in code[start..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(c, ';' | '}') {
            return start + offset + c.len_utf8();
        }
    }
    code.len()
}

/// A function and its length as clippy counts it: lines of its body with code in them.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

/// Every function with a body, nested ones too.
pub fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("fn ") {
        let name: String =
            code[start + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let own_word = code[..start].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        if name.is_empty() || !own_word {
            continue;
        }
        let end = item_end(code, start);
        let body = &code[start..end];
        if body.ends_with('}') {
            let line = code[..start].matches('\n').count() + 1;
            let inside = body.split_once('{').map_or("", |(_, inside)| inside);
            let lines = inside.trim_end_matches('}').lines().filter(|line| !line.trim().is_empty()).count();
            found.push(Function { name, line, lines });
        }
    }
    found
}

/// A `mod name;` with its `#[path]`, and whether it is for tests only.
#[derive(Debug, PartialEq, Eq)]
pub struct Declared {
    pub name: String,
    pub path: Option<String>,
    pub test: bool,
}

/// The modules that a file declares as files of their own.
pub fn modules(source: &str) -> Vec<Declared> {
    let code = code(source);
    let (mut found, mut path, mut test) = (Vec::new(), None, false);
    for (raw, line) in source.lines().zip(code.lines()) {
        let line = line.trim();
        if line.starts_with("#[path") {
            path = raw.split('"').nth(1).map(str::to_owned);
        } else if line.starts_with("#[cfg(test)]") {
            test = true;
        } else if !line.is_empty() && !line.starts_with("#[") {
            let words: Vec<&str> = line.trim_end_matches(';').split_whitespace().collect();
            if let [.., "mod", name] = words[..]
                && line.ends_with(';')
            {
                found.push(Declared { name: name.to_owned(), path: path.take(), test });
            }
            (path, test) = (None, false);
        }
    }
    found
}

static PATH: LazyLock<regex::Regex> = LazyLock::new(|| {
    regex::Regex::new(r"[A-Za-z_][0-9A-Za-z_]*(?:::[A-Za-z_][0-9A-Za-z_]*)+")
        .expect("the expression is right")
});

/// Every path that the code names, with its line: `use` trees one by one, and paths in the text.
pub fn paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut uses: BTreeMap<usize, usize> = BTreeMap::new();
    let starts: Vec<usize> =
        std::iter::once(0).chain(code.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let line = |at: usize| starts.partition_point(|start| *start <= at);
    for (start, _) in code.match_indices("use ") {
        let own_word = code[..start].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let Some(length) = code[start..].find(';').filter(|_| own_word) else { continue };
        let tree: String = code[start + 4..start + length].split_whitespace().collect::<Vec<_>>().join(" ");
        expand(&tree, "", &mut |path| found.push((line(start), path)));
        uses.insert(start, start + length);
    }
    let in_use = |at: usize| uses.range(..=at).next_back().is_some_and(|(_, end)| at < *end);
    for hit in PATH.find_iter(code).filter(|hit| !in_use(hit.start())) {
        found.push((line(hit.start()), hit.as_str().to_owned()));
    }
    found
}

/// `a::{b, c::{d, e as f}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expand(tree: &str, base: &str, found: &mut impl FnMut(String)) {
    let join = |part: &str| if base.is_empty() { part.to_owned() } else { format!("{base}::{part}") };
    let Some((head, rest)) = tree.split_once('{') else {
        let plain = tree.split(" as ").next().unwrap_or(tree).trim();
        return match plain {
            "" => {}
            "self" => found(base.to_owned()),
            part => found(join(part)),
        };
    };
    let base = join(head.trim().trim_end_matches("::")).trim_end_matches("::").to_owned();
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(inner[start..at].trim(), &base, found);
                start = at + 1;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_text_are_blanked() {
        let source =
            "let a = \"x // \\\" y\"; // end\nlet b = r#\"{\"#; /* { */ let c = '{'; let d: &'a str = '\\n';";
        let code = code(source);
        assert!(!code.contains(['{', 'x', 'y']), "{code}");
        assert!(code.contains("let c =") && code.contains("&'a str"), "{code}");
        assert_eq!(code.lines().count(), 2);
    }

    #[test]
    fn functions_are_measured() {
        let source =
            "trait T { fn none(&self); }\nfn zero() {}\nfn one(\n) {\n    // why\n\n    if x { y }\n}\n";
        let found = functions(&code(source));
        let sizes: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.line, one.lines)).collect();
        assert_eq!(sizes, [("zero", 2, 0), ("one", 3, 1)]);
    }

    #[test]
    fn modules_and_paths_are_found() {
        let source = "mod a;\n#[cfg(test)]\n#[path = \"b_tests.rs\"]\npub(crate) mod b;\nmod c { }\n";
        let found = modules(source);
        assert_eq!(found.len(), 2);
        assert_eq!((found[1].path.as_deref(), found[1].test), (Some("b_tests.rs"), true));
        let found = paths("use std::{fs, io::{self, Read as R}};\nuse a as b;\nlet x = kube::Client::new();");
        let found: Vec<&str> = found.iter().map(|(_, path)| path.as_str()).collect();
        assert_eq!(found, ["std::fs", "std::io", "std::io::Read", "a", "kube::Client::new"]);
    }

    #[test]
    fn test_items_do_not_count() {
        let code = without_tests("fn a() {}\n#[cfg(test)]\nmod tests { fn b() { x.unwrap(); } }\nfn c() {}");
        assert!(code.contains("fn c") && !code.contains("unwrap"));
    }
}

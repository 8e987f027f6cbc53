//! What a commit says, and which of its bytes were signed.
//!
//! Stricter than Git where Git is lenient: a header that should stand once and stands twice is refused,
//! for two readers may take different ones.

use crate::validate::text::sanitize;

/// Longest author that is shown, in characters.
const AUTHOR: usize = 100;

/// Longest address that is compared, in characters.
const ADDRESS: usize = 320;

/// The trailer that names who else wrote a commit, in small letters.
const CO_AUTHOR: &str = "co-authored-by:";

/// The header that holds a signature.
const SIGNATURE: &[u8] = b"gpgsig";

/// A commit, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: String,
    /// Id of its tree.
    pub tree: String,
    /// Ids of its parents.
    pub parents: Vec<String>,
    /// Name and address of the author, made harmless.
    pub author: String,
    /// Mail addresses of author and committer, as they are written, made harmless.
    pub addresses: [String; 2],
    /// Who else wrote it, by what its message says: mail addresses, or names where there is none, made harmless.
    pub co_authors: Vec<String>,
    /// When it was committed, by the committer's clock: seconds since 1970.
    pub committed: i64,
    /// The bytes that were signed: all but the signature.
    pub payload: Vec<u8>,
    /// The armored signature.
    pub signature: Option<Vec<u8>>,
}

impl Commit {
    /// Takes a raw commit apart.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(id: &str, raw: &[u8]) -> Result<Self, &'static str> {
        let mut reader = Reader { rest: raw };
        let tree = reader.required(b"tree ")?;
        let tree = id_of(tree).ok_or("its tree is no id")?;
        let mut parents = Vec::new();
        while let Some(parent) = reader.optional(b"parent ") {
            parents.push(id_of(parent).ok_or("a parent is no id")?);
        }
        let author = person(reader.required(b"author ")?).ok_or("its author line is broken")?;
        let committer = person(reader.required(b"committer ")?).ok_or("its committer line is broken")?;
        let start = raw.len() - reader.rest.len();
        let mut payload = raw[..start].to_vec();
        let signature = extras(&mut reader, &mut payload)?;
        payload.extend_from_slice(reader.rest);
        let co_authors = co_authors(reader.rest);
        Ok(Self {
            id: id.to_owned(),
            tree,
            parents,
            author: author.name,
            addresses: [author.address, committer.address],
            co_authors,
            committed: committer.time,
            payload,
            signature,
        })
    }
}

/// Who a message names as further authors. Git takes trailers from the last lines only; here every line counts, for
/// forges and people differ in where they put them, and whoever is named too often can approve too little, never too
/// much.
fn co_authors(message: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(message);
    let named = |line: &str| {
        let line = line.trim();
        let is = line.get(..CO_AUTHOR.len()).is_some_and(|key| key.eq_ignore_ascii_case(CO_AUTHOR));
        let who = line.get(CO_AUTHOR.len()..).filter(|_| is)?.trim();
        let address = who.rsplit_once('<').map_or(who, |(_, rest)| rest.split('>').next().unwrap_or(rest));
        Some(sanitize(address.trim(), ADDRESS)).filter(|address| !address.is_empty())
    };
    text.split(['\n', '\r']).filter_map(named).collect()
}

/// The headers after the committer: all but the signature go into the payload. Stops at the empty line.
fn extras(reader: &mut Reader<'_>, payload: &mut Vec<u8>) -> Result<Option<Vec<u8>>, &'static str> {
    let mut signature: Option<Vec<u8>> = None;
    let mut in_signature = false;
    loop {
        if reader.rest.starts_with(b"\n") || reader.rest.is_empty() {
            return Ok(signature);
        }
        let line = reader.line();
        if let Some(more) = line.strip_prefix(b" ") {
            match signature.as_mut().filter(|_| in_signature) {
                Some(signature) => signature.extend_from_slice(more),
                None => payload.extend_from_slice(line),
            }
            continue;
        }
        let key = line.split(|byte| *byte == b' ' || *byte == b'\n').next().unwrap_or_default();
        in_signature = key == SIGNATURE;
        if in_signature {
            if signature.is_some() {
                return Err("it has two signatures");
            }
            signature = Some(line.get(SIGNATURE.len() + 1..).unwrap_or_default().to_vec());
        } else if key.starts_with(SIGNATURE) {
            return Err("it has a signature for repositories with SHA-256, which are not supported");
        } else if [b"tree".as_slice(), b"parent", b"author", b"committer"].contains(&key) {
            return Err("it has a header twice, or out of order");
        } else {
            payload.extend_from_slice(line);
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next line with its line break.
    fn line(&mut self) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |at| at + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        line
    }

    /// The next line's value, if it has this key.
    fn optional(&mut self, key: &[u8]) -> Option<&'a [u8]> {
        if !self.rest.starts_with(key) {
            return None;
        }
        let line = self.line();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.get(key.len()..)
    }

    fn required(&mut self, key: &[u8]) -> Result<&'a [u8], &'static str> {
        self.optional(key).ok_or("its headers are missing or out of order")
    }
}

fn id_of(bytes: &[u8]) -> Option<String> {
    let good = bytes.len() == 40 && bytes.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b));
    good.then(|| String::from_utf8_lossy(bytes).into_owned())
}

/// Somebody, as a commit names them.
struct Person {
    /// Name and address.
    name: String,
    address: String,
    /// Seconds since 1970.
    time: i64,
}

/// Reads `Name <address> 1700000000 +0100`.
fn person(bytes: &[u8]) -> Option<Person> {
    let end = bytes.iter().rposition(|byte| *byte == b'>')?;
    let rest = std::str::from_utf8(&bytes[end + 1..]).ok()?;
    let time = rest.split_ascii_whitespace().next()?.parse().ok()?;
    let start = bytes[..end].iter().rposition(|byte| *byte == b'<').map_or(0, |at| at + 1);
    let text = |bytes: &[u8], most| sanitize(&String::from_utf8_lossy(bytes), most);
    Some(Person { name: text(&bytes[..=end], AUTHOR), address: text(&bytes[start..end], ADDRESS), time })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "tree 1111111111111111111111111111111111111111\nparent 2222222222222222222222222222222222222222\n\
        author Ada \u{202e}<ada@example.com> 1700000000 +0100\ncommitter Bob <bob@example.com> 1700000060 +0000\n";

    #[test]
    fn a_commit_is_taken_apart() {
        let raw =
            format!("{PLAIN}encoding x\ngpgsig one\n two\n \n three\nmergetag y\n z\n\nSubject\n\nBody\n");
        let commit = Commit::parse("id", raw.as_bytes()).expect("sound");
        assert_eq!(commit.parents, ["2".repeat(40)]);
        assert_eq!(
            (commit.author.as_str(), commit.committed),
            ("Ada \\u{202e}<ada@example.com>", 1_700_000_060)
        );
        assert_eq!(commit.addresses, ["ada@example.com", "bob@example.com"]);
        assert_eq!(commit.signature.as_deref(), Some(b"one\ntwo\n\nthree\n".as_slice()));
        let payload = format!("{PLAIN}encoding x\nmergetag y\n z\n\nSubject\n\nBody\n");
        assert_eq!(String::from_utf8_lossy(&commit.payload), payload);
        let unsigned = Commit::parse("id", payload.as_bytes()).expect("sound");
        assert_eq!((unsigned.signature, unsigned.payload), (None, payload.into_bytes()));
    }

    #[test]
    fn everybody_whom_the_message_names_as_author_is_one() {
        let of = |message: &str| {
            let raw = format!("{PLAIN}\nSubject\n\n{message}");
            Commit::parse("id", raw.as_bytes()).expect("sound").co_authors
        };
        assert_eq!(of("Body\n"), [] as [&str; 0]);
        let message = "Body\n\nCo-authored-by: Cy <cy@example.com>\nCO-AUTHORED-BY:Dee Dee < dee@example.com >\r\n  co-authored-by: eve\n";
        assert_eq!(of(message), ["cy@example.com", "dee@example.com", "eve"]);
        assert_eq!(
            of("Co-authored-by: a <b> <c@example.com>\n\nmore text"),
            ["c@example.com"],
            "not at the end"
        );
        assert_eq!(of("Co-authored-by: \nCo-authored-by\nNot-co-authored-by: x <y>"), [] as [&str; 0]);
        assert_eq!(of("Co-authored-by: Ada \u{202e}<a\u{202e}@x"), ["a\\u{202e}@x"]);
        // What isn't text is passed over, and hides nothing.
        let raw =
            [format!("{PLAIN}\n").as_bytes(), b"\xff\xfe\nco-authored-by: x <x@example.com>\n\xc3"].concat();
        assert_eq!(Commit::parse("id", &raw).expect("sound").co_authors, ["x@example.com"]);
    }

    #[test]
    fn what_two_readers_may_take_differently_is_refused() {
        let second_tree = "tree 3333333333333333333333333333333333333333\n";
        for extra in ["gpgsig a\ngpgsig b\n", "gpgsig-sha256 a\n", second_tree, "author x <x> 1 +0000\n"] {
            let raw = format!("{PLAIN}{extra}\nSubject\n");
            assert!(Commit::parse("id", raw.as_bytes()).is_err(), "{extra}");
        }
        let time = PLAIN.replace("1700000060", "soon");
        let lines: Vec<&str> = PLAIN.lines().collect();
        let swapped = [lines[0], lines[1], lines[3], lines[2]].join("\n");
        for raw in ["", "tree x\n", second_tree, &time, &swapped] {
            assert!(Commit::parse("id", raw.as_bytes()).is_err(), "{raw}");
        }
        // What stands in the message is not a header.
        let raw = format!("{PLAIN}\nSubject\n\ngpgsig a\n b\n");
        assert_eq!(Commit::parse("id", raw.as_bytes()).expect("sound").signature, None);
    }
}

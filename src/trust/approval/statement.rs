//! What an approval says, and how it stands in a line.
//!
//! One line is one approval, so that notes of several people join line by line (`git notes merge -s cat_sort_uniq`):
//!
//! ```text
//! tenantry.dev/approval/v1 commit ID tree ID made TIME expires TIME SIGNATURE
//! ```
//!
//! What is signed is the line up to the signature, without the blank before it and with a line break, for the namespace
//! `tenantry.dev/approval`; the signature is OpenSSH's, without its frame and line breaks. So ssh-keygen can check it:
//!
//! ```text
//! git notes --ref tenantry-approvals show COMMIT | head -1 > line
//! cut -d' ' -f1-9 line > statement
//! (echo '-----BEGIN SSH SIGNATURE-----'; cut -d' ' -f10 line | fold -w 70; echo '-----END SSH SIGNATURE-----') > sig
//! ssh-keygen -Y verify -f allowed_signers -I tess@example.com -n tenantry.dev/approval -s sig < statement
//! ```

use jiff::Timestamp;

/// The first word; another version of the format has another one.
pub const FORMAT: &str = "tenantry.dev/approval/v1";

/// Longest line, in bytes: with an RSA key of 4096 bits it has 1.7 KiB.
const LONGEST: usize = 4096;

/// The frame of OpenSSH's signatures.
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";

/// How long ssh-keygen makes a signature's lines.
const WIDTH: usize = 70;

/// What somebody signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Full id of the commit.
    pub commit: String,
    /// Full id of its tree.
    pub tree: String,
    /// When it was given: whole seconds, by the approver's clock.
    pub made: Timestamp,
    /// Until when it counts, at most: whole seconds.
    pub expires: Timestamp,
}

impl Statement {
    /// The bytes that are signed.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { commit, tree, made, expires } = self;
        format!("{FORMAT} commit {commit} tree {tree} made {made} expires {expires}\n")
    }

    /// The line that goes into the note.
    ///
    /// # Errors
    /// The armored signature is none.
    pub fn line(&self, armored: &str) -> Result<String, &'static str> {
        let framed = armored.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let body: String = framed.ok_or("it is no SSH signature")?.split_ascii_whitespace().collect();
        let line = format!("{} {body}", self.text().trim_end());
        Approval::parse(&line).map(|_| line)
    }
}

/// A line, taken apart. Nothing of it is checked yet but its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// What it says.
    pub statement: Statement,
    /// The signature, armored as ssh-keygen writes it.
    pub armored: String,
}

impl Approval {
    /// Reads a line. Only the one way to write it is taken: two readers may not take it for different things.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &str) -> Result<Self, &'static str> {
        if line.len() > LONGEST {
            return Err("the line is too long");
        }
        let words: Vec<&str> = line.split(' ').collect();
        let [FORMAT, "commit", commit, "tree", tree, "made", made, "expires", expires, signature] = words[..]
        else {
            return Err("the line is no approval of version 1");
        };
        let time = |text: &str| text.parse().map_err(|_| "a time is none");
        let statement = Statement {
            commit: commit.to_owned(),
            tree: tree.to_owned(),
            made: time(made)?,
            expires: time(expires)?,
        };
        if !is_id(commit) || !is_id(tree) {
            return Err("an id is none");
        }
        if line.strip_suffix(signature).map(str::trim_end) != Some(statement.text().trim_end()) {
            return Err("a time is not written as YYYY-MM-DDTHH:MM:SSZ");
        }
        if signature.is_empty()
            || !signature.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
        {
            return Err("the signature is not base64");
        }
        let mut armored = format!("{BEGIN}\n");
        // Base64 is ASCII: every place is between characters.
        for start in (0..signature.len()).step_by(WIDTH) {
            armored.push_str(&signature[start..(start + WIDTH).min(signature.len())]);
            armored.push('\n');
        }
        armored.push_str(END);
        armored.push('\n');
        Ok(Self { statement, armored })
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

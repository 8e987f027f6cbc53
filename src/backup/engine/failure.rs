//! Why a run failed: the reason that conditions show, words for people, and the line of output that matters. Pure.

use crate::backup::record::reasons;

/// Characters of a message and of a line that are kept: a record must fit into a container's last words.
const MESSAGE: usize = 600;
const LINE: usize = 400;

/// Why a run, or a step of it, failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One of [`reasons`].
    pub reason: &'static str,
    /// What, where, the next step.
    pub message: String,
    /// The line of a program's output that matters; empty where no program spoke.
    pub log_line: String,
}

impl Failure {
    /// Found by ourselves.
    #[must_use]
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: shortened(&message.into(), MESSAGE), log_line: String::new() }
    }

    /// The same with the line that a program wrote.
    #[must_use]
    pub fn said(self, line: &str) -> Self {
        Self { log_line: shortened(line, LINE), ..self }
    }

    /// The time is over.
    #[must_use]
    pub fn late(doing: &str, words: &str) -> Self {
        let message =
            format!("{doing} was not done within the run's deadline; look at the line, or allow more");
        Self::new(reasons::DEADLINE_EXCEEDED, message).said(&meaningful(words))
    }

    /// The same, where the run's credentials have ended and nobody renewed them: then that is why the store refused.
    #[must_use]
    pub fn by_credentials(self, ended: bool) -> Self {
        let refused = matches!(self.reason, reasons::STORE_UNREACHABLE | reasons::DEADLINE_EXCEEDED);
        if !(ended && refused) {
            return self;
        }
        let message = format!("{}; {}", self.message, next(reasons::CREDENTIALS_EXPIRED));
        Self { reason: reasons::CREDENTIALS_EXPIRED, message: shortened(&message, MESSAGE), ..self }
    }

    /// The same without these secrets, whoever wrote them.
    #[must_use]
    pub fn without(self, secrets: &[String]) -> Self {
        let mut secrets: Vec<&String> = secrets.iter().filter(|secret| secret.len() > 3).collect();
        // Longest first: a secret may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let clean =
            |text: String| secrets.iter().fold(text, |text, secret| text.replace(secret.as_str(), "***"));
        Self { reason: self.reason, message: clean(self.message), log_line: clean(self.log_line) }
    }
}

/// One line of at most so many characters.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    if line.chars().count() <= most {
        return line;
    }
    line.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// What a program wrote to stderr, as text: restic's JSON is taken apart, the rest stays.
fn lines(words: &str) -> Vec<String> {
    let plain = |line: &str| -> Option<String> {
        let line = line.trim();
        let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else {
            return (!line.is_empty()).then(|| line.to_owned());
        };
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        text(&value["error"]["message"]).or_else(|| text(&value["message"]))
    };
    words.lines().filter_map(plain).collect()
}

/// Words of a cause, most telling first.
const TELLING: [&str; 11] = [
    "no space left",
    "No space left",
    "pg_dump: error:",
    "pg_restore: error:",
    "psql: error:",
    "ERROR:",
    "FATAL:",
    "does not exist",
    "error",
    "Fatal:",
    "denied",
];

/// The line that matters: the first with the most telling word, else the last.
#[must_use]
pub fn meaningful(words: &str) -> String {
    let lines = lines(words);
    let told = TELLING.iter().find_map(|word| lines.iter().find(|line| line.contains(word)));
    shortened(told.or(lines.last()).map(String::as_str).unwrap_or_default(), LINE)
}

/// What restic and the programs that it runs say, and what it means.
const MEANS: [(&str, &[&str]); 7] = [
    (reasons::NO_SPACE, &["no space left on device", "could not extend file", "disk quota exceeded"]),
    (reasons::CLOCK_SKEW, &["requesttimetooskewed", "difference between the request time and the"]),
    (
        reasons::CREDENTIALS_EXPIRED,
        &[
            "expiredtoken",
            "security token",
            "invalidaccesskeyid",
            "signaturedoesnotmatch",
            "token is expired",
            "token has expired",
            "access key id you provided does not exist",
        ],
    ),
    (
        reasons::SOURCE_UNREACHABLE,
        &[
            "connection to server",
            "could not connect to server",
            "password authentication failed",
            "no pg_hba.conf entry",
            "could not translate host name",
            "terminating connection due to",
        ],
    ),
    (reasons::DUMP_FAILED, &["pg_dump: error", "pg_dump: fatal"]),
    (
        reasons::DAMAGED,
        &[
            "ciphertext verification failed",
            "does not match id",
            "hash mismatch",
            "is not contained in",
            "pack id does not match",
            "not found in repository",
            "no matching id",
            "does not exist",
            "not in index",
            "repository contains errors",
            "not found in index",
            "invalid data returned",
            "unexpected eof",
        ],
    ),
    (
        reasons::STORE_UNREACHABLE,
        &[
            "access denied",
            "accessdenied",
            "403 forbidden",
            "dial tcp",
            "connection refused",
            "connection reset",
            "server error",
            "internalerror",
            "serviceunavailable",
            "slowdown",
            "no such host",
            "i/o timeout",
            "tls handshake",
            "bucket does not exist",
            "503",
            "500 ",
        ],
    ),
];

/// What a failure of restic means.
///
/// `otherwise` is the reason where its words tell nothing.
#[must_use]
pub fn of_restic(doing: &str, code: Option<i32>, words: &str, otherwise: &'static str) -> Failure {
    let line = meaningful(words);
    let by_code = match code {
        Some(3) => Some(reasons::PARTIAL_READ),
        Some(10) => Some(reasons::REPOSITORY_MISSING),
        Some(11) => Some(reasons::LOCK_HELD),
        Some(12) => Some(reasons::KEY_MISMATCH),
        // Whom we kill has been late, which is told elsewhere: this was the kernel's answer to too little memory.
        None | Some(137) => Some(reasons::OUT_OF_MEMORY),
        _ => None,
    };
    let reason = by_code.or_else(|| meaning(words)).unwrap_or(otherwise);
    let ended = code.map_or("was killed".to_owned(), |code| format!("ended with {code}"));
    Failure::new(reason, format!("{doing} failed: restic {ended}; {}", next(reason))).said(&line)
}

/// What the words of any program mean, where they do.
#[must_use]
pub fn meaning(words: &str) -> Option<&'static str> {
    let words = lines(words).join("\n").to_lowercase();
    let found = MEANS.iter().find(|(_, parts)| parts.iter().any(|part| words.contains(part)));
    found.map(|(reason, _)| *reason)
}

/// What is to be done next.
fn next(reason: &str) -> &'static str {
    match reason {
        reasons::KEY_MISMATCH => {
            "the tenant's key does not open its repository, and no new one is made; was the key's Secret replaced?"
        }
        reasons::REPOSITORY_MISSING => {
            "there is no repository where one must be; was it removed, or the store's prefix changed?"
        }
        reasons::LOCK_HELD => "somebody else works in the repository; wait, or look who holds the lock",
        reasons::OUT_OF_MEMORY => "most likely for want of memory; give the Job more",
        reasons::NO_SPACE => "give the Job's volume more room",
        reasons::PARTIAL_READ => {
            "a part of the source could not be read, and the snapshot is not counted as good"
        }
        reasons::CREDENTIALS_EXPIRED => {
            "the store no longer takes the run's credentials, and the operator renewed none in time: see its log; the \
             next run gets new ones"
        }
        reasons::CLOCK_SKEW => "set the clocks: the store refuses requests of another time",
        reasons::DUMP_FAILED => "nothing was saved; look at the line",
        reasons::SOURCE_UNREACHABLE => "look at the database's connection Secret and its server",
        reasons::DAMAGED => "older versions of the object may be in the store; the restore point is not good",
        reasons::STORE_UNREACHABLE => "look at the store, its address and the network policy",
        _ => "look at the line",
    }
}

/// What a failure of a PostgreSQL program means.
#[must_use]
pub fn of_postgres(doing: &str, words: &str, otherwise: &'static str) -> Failure {
    let reason = match meaning(words) {
        Some(reason @ (reasons::NO_SPACE | reasons::SOURCE_UNREACHABLE)) => reason,
        _ => otherwise,
    };
    let next = if words.contains("could not look up effective user ID") {
        "the image knows no user of the number that the pod runs as: set spec.backups.postgresql.runAsUser, or the \
         database's own (PostgreSQL's images have 999, CloudNativePG's 26)"
    } else {
        next(reason)
    };
    Failure::new(reason, format!("{doing} failed; {next}")).said(&meaningful(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_words_of_restic_mean_something() {
        let of = |code, words: &str| of_restic("x", Some(code), words, reasons::DUMP_FAILED).reason;
        assert_eq!(of(3, ""), reasons::PARTIAL_READ);
        assert_eq!(of(10, ""), reasons::REPOSITORY_MISSING);
        assert_eq!(of(12, "Fatal: wrong password or no key found"), reasons::KEY_MISMATCH);
        assert_eq!(of(1, "write /x: no space left on device"), reasons::NO_SPACE);
        assert_eq!(of(1, "pg_dump: error: query failed: ERROR:  permission denied"), reasons::DUMP_FAILED);
        assert_eq!(
            of(1, "pg_dump: error: connection to server at \"db\" failed: timeout"),
            reasons::SOURCE_UNREACHABLE
        );
        assert_eq!(of(1, "Load(<data/ab>) ciphertext verification failed"), reasons::DAMAGED);
        assert_eq!(of(1, "Get \"http://x\": dial tcp: connection refused"), reasons::STORE_UNREACHABLE);
        assert_eq!(of(1, "who knows"), reasons::DUMP_FAILED);
        // S3's own words; restic drops the code.
        assert_eq!(of(1, "Stat: The provided token has expired."), reasons::CREDENTIALS_EXPIRED);
        let killed = of_restic("x", None, "", reasons::DUMP_FAILED);
        assert_eq!(killed.reason, reasons::OUT_OF_MEMORY);
        assert!(killed.message.contains("was killed; most likely for want of memory"), "{}", killed.message);
    }

    #[test]
    fn an_image_with_another_user_is_told_from_a_broken_engine() {
        let words = "initdb: error: could not look up effective user ID 999: user does not exist";
        let failure = of_postgres("making an engine", words, reasons::RESTORE_FAILED);
        assert!(failure.message.contains("runAsUser") && failure.log_line.contains("999"), "{failure:?}");
    }

    #[test]
    fn ended_credentials_are_why_a_store_refuses() {
        let of = |reason, ended| Failure::new(reason, "x").by_credentials(ended).reason;
        assert_eq!(of(reasons::STORE_UNREACHABLE, true), reasons::CREDENTIALS_EXPIRED);
        assert_eq!(of(reasons::DEADLINE_EXCEEDED, true), reasons::CREDENTIALS_EXPIRED);
        assert_eq!(of(reasons::STORE_UNREACHABLE, false), reasons::STORE_UNREACHABLE);
        assert_eq!(of(reasons::DUMP_FAILED, true), reasons::DUMP_FAILED);
    }

    #[test]
    fn the_line_that_matters_is_the_causes() {
        let words = "subprocess pg_dump: pg_dump: error: no such table\n\
                     {\"message_type\":\"exit_error\",\"code\":1,\"message\":\"Fatal: unable to save\"}\n";
        assert_eq!(meaningful(words), "subprocess pg_dump: pg_dump: error: no such table");
        let only = "{\"message_type\":\"exit_error\",\"code\":1,\"message\":\"Fatal: unable to save\"}\n";
        assert_eq!(meaningful(only), "Fatal: unable to save");
        let check = "{\"message_type\":\"error\",\"message\":\"pack ab contains 2 errors: [x]\\n\"}\n\
                     {\"message_type\":\"exit_error\",\"message\":\"Fatal: repository contains errors\"}";
        assert_eq!(meaningful(check), "pack ab contains 2 errors: [x]");
    }

    #[test]
    fn secrets_are_taken_out_whoever_wrote_them() {
        let failure = Failure::new("X", "password hunter2 refused").said("user:hunter2@db");
        let clean = failure.without(&["hunter2".into(), String::new()]);
        assert_eq!(
            (clean.message.as_str(), clean.log_line.as_str()),
            ("password *** refused", "user:***@db")
        );
    }

    #[test]
    fn words_fit() {
        let failure = Failure::new("X", "m".repeat(5000)).said(&"l".repeat(5000));
        assert!(failure.message.len() < 610 && failure.log_line.len() < 410);
    }
}

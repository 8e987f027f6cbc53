use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;

/// A log in a folder, and what was read of it.
struct Log {
    folder: tempfile::TempDir,
    tail: Tail,
    /// Records as text, in order.
    read: Vec<String>,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tail = Self::tail(folder.path(), Position::default());
        Self { folder, tail, read: Vec::new() }
    }

    fn tail(folder: &Path, position: Position) -> Tail {
        Tail::new("audit-log", Source::AuditFile, Watched::Log(folder.join("audit.log")), position)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        self.write_to("audit.log", text);
    }

    fn write_to(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.path(file);
        let mut file = if path.exists() {
            OpenOptions::new().append(true).open(path).unwrap()
        } else {
            fs::File::create(path).unwrap()
        };
        file.write_all(text.as_ref()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Reads until nothing is new twice in a row, and gives what came.
    fn news(&mut self) -> Vec<String> {
        let (start, mut idle) = (self.read.len(), 0);
        while idle < 2 {
            match self.tail.step().unwrap() {
                Step::Idle => idle += 1,
                Step::Take(batches) => {
                    for batch in batches {
                        let mut segment = Vec::new();
                        batch.append(0, 0, 0, &mut segment);
                        for found in super::super::frame::scan(&segment) {
                            if let super::super::frame::Found::Record { record, .. } = found {
                                self.read.push(String::from_utf8_lossy(record.bytes).into_owned());
                            }
                        }
                    }
                    self.tail.taken().unwrap();
                    idle = 0;
                }
            }
        }
        self.read[start..].to_vec()
    }

    /// A new process, which knows what was kept.
    fn restart(&mut self) {
        let position = Position { files: self.tail.files(), ..Position::default() };
        let text = serde_json::to_vec(&position).unwrap();
        self.tail = Self::tail(self.folder.path(), serde_json::from_slice(&text).unwrap());
    }
}

#[test]
fn lines_come_once_and_half_a_line_waits() {
    let mut log = Log::new();
    assert!(log.news().is_empty());
    log.write("one\ntw");
    assert_eq!(log.news(), ["one"]);
    log.restart();
    assert!(log.news().is_empty());
    log.write("o\n\n\nthree\n");
    assert_eq!(log.news(), ["two", "three"]);
    // What isn't said to be taken comes again.
    log.write("four\n");
    assert!(matches!(log.tail.step().unwrap(), Step::Take(_)));
    assert_eq!(log.news(), ["four"]);
}

#[test]
fn any_bytes_are_verbatim_and_long_lines_are_whole_up_to_a_limit() {
    let mut log = Log::new();
    log.write(b"{\"a\":\"\xff\x00\"}\n");
    let long = "x".repeat(5_000_000);
    log.write(format!("{long}\n"));
    let longer = "y".repeat(LINE + 10);
    log.write(format!("{longer}\nlast\n"));
    let Step::Take(first) = log.tail.step().unwrap() else { panic!() };
    let mut segment = Vec::new();
    first[0].append(0, 0, 0, &mut segment);
    assert!(segment.windows(10).any(|bytes| bytes == b"{\"a\":\"\xff\x00\"}"));
    let news = log.news();
    assert_eq!((news[1] == long, news[1].len(), news.len()), (true, long.len(), 6));
    assert!(
        news[2].contains(r#""stage":"Oversize""#) && news[2].contains(r#""bytes":8388608"#),
        "{}",
        news[2]
    );
    assert_eq!((news[3].clone() + &news[4] == longer, news[5].as_str()), (true, "last"));
}

#[test]
fn renaming_loses_nothing_also_while_nobody_looks_and_with_clocks_that_lie() {
    let mut log = Log::new();
    log.write("one\ntwo\n");
    assert_eq!(log.news(), ["one", "two"]);
    log.write("three\nhalf");
    log.rename("audit.log", "audit-2026-11-23T10-00-00.000.log");
    log.write("four\n");
    // The last line of a log that nobody writes any more has no end, and is kept.
    assert_eq!(log.news(), ["three", "half", "four"]);
    log.restart();
    log.write("five\n");
    log.rename("audit.log", "audit-2026-11-23T11-00-00.000.log");
    log.write("six\n");
    // The clock went back: by name and by time, this one comes before the others.
    log.rename("audit.log", "audit-2026-11-22T09-00-00.000.log");
    let old = fs::File::open(log.path("audit-2026-11-22T09-00-00.000.log")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH).unwrap();
    log.write("seven\n");
    let mut news = log.news();
    news.sort();
    assert_eq!(news, ["five", "seven", "six"]);
    log.restart();
    assert!(log.news().is_empty());
}

#[test]
fn a_last_line_that_grew_since_the_last_look_is_waited_for() {
    let mut log = Log::new();
    log.write("one\n");
    assert_eq!(log.news(), ["one"]);
    log.write("ha");
    log.rename("audit.log", "audit.log.1");
    log.write("two\n");
    assert_eq!(log.tail.step().unwrap(), Step::Idle);
    log.write_to("audit.log.1", "lf\n");
    assert_eq!(log.news(), ["half", "two"]);
}

#[test]
fn a_file_that_is_removed_while_it_is_read_is_read_to_its_end() {
    let mut log = Log::new();
    log.write("one\n");
    assert_eq!(log.news(), ["one"]);
    log.write("two\n");
    fs::remove_file(log.path("audit.log")).unwrap();
    log.write("three\n");
    assert_eq!(log.news(), ["two", "three"]);
}

#[test]
fn copytruncate_finds_what_it_had_not_read_in_the_copy() {
    let mut log = Log::new();
    log.write("one\n");
    assert_eq!(log.news(), ["one"]);
    log.write("two\n");
    fs::copy(log.path("audit.log"), log.path("audit.log.1")).unwrap();
    // A copy of what is still there is nothing new.
    assert_eq!(log.news(), ["two"]);
    log.write("three\n");
    fs::copy(log.path("audit.log"), log.path("audit.log.1")).unwrap();
    fs::write(log.path("audit.log"), "").unwrap();
    log.write("four\n");
    assert_eq!(log.news(), ["three", "four"]);
    log.restart();
    // Once more while nobody looks.
    log.write("five\n");
    log.rename("audit.log.1", "audit.log.2");
    fs::copy(log.path("audit.log"), log.path("audit.log.1")).unwrap();
    fs::write(log.path("audit.log"), "six\n").unwrap();
    assert_eq!(log.news(), ["five", "six"]);
}

#[test]
fn a_writer_that_goes_on_behind_a_hole_is_read_from_there() {
    let mut log = Log::new();
    log.write("one\n");
    assert_eq!(log.news(), ["one"]);
    fs::copy(log.path("audit.log"), log.path("audit.log.1")).unwrap();
    fs::write(log.path("audit.log"), b"\0\0\0\0two\n").unwrap();
    assert_eq!(log.news(), ["two"]);
}

#[test]
fn what_is_gone_is_told_once() {
    let mut log = Log::new();
    log.write("one\n");
    assert_eq!(log.news(), ["one"]);
    // Cut in place, without a copy.
    fs::write(log.path("audit.log"), "two\n").unwrap();
    let news = log.news();
    assert!(news[0].contains(r#""stage":"SourceGap""#) && news[0].contains(r#""from":4,"#), "{news:?}");
    assert_eq!(news[1..], ["two"]);
    // Renamed and removed while nobody looked: what was not read is gone.
    log.restart();
    fs::remove_file(log.path("audit.log")).unwrap();
    log.write("three\n");
    let news = log.news();
    assert!(news[0].contains("it is gone") && news[0].contains(r#""to":null"#), "{news:?}");
    assert_eq!(news[1..], ["three"]);
    log.restart();
    assert!(log.news().is_empty());
    // Only an end that was read already.
    log.write(format!("{}\nfive\n", "x".repeat(2000)));
    assert_eq!(log.news().len(), 2);
    OpenOptions::new().write(true).open(log.path("audit.log")).unwrap().set_len(2007).unwrap();
    let news = log.news();
    assert!(news[0].contains(r#""from":2007,"#) && news[0].contains(r#""to":2012"#), "{news:?}");
    assert_eq!(news.len(), 1);
    log.write("six\n");
    assert_eq!(log.news(), ["six"]);
}

#[test]
fn a_number_of_an_inode_that_is_used_again_is_another_file() {
    let mut log = Log::new();
    log.write("one\n");
    assert_eq!(log.news(), ["one"]);
    log.rename("audit.log", "audit.log.1");
    log.write("two\n");
    assert_eq!(log.news(), ["two"]);
    let files = log.tail.files();
    let position = files.iter().map(|known| match known.file.as_str() {
        // As if the old log had had the number that the new one has now.
        "audit.log.1" => {
            Known { inode: files.iter().find(|one| one.file == "audit.log").unwrap().inode, ..known.clone() }
        }
        _ => Known { inode: 1, ..known.clone() },
    });
    let position = Position { files: position.collect(), ..Position::default() };
    log.tail = Log::tail(log.folder.path(), position);
    log.write("three\n");
    let news = log.news();
    assert!(news.contains(&"three".to_owned()) && !news.contains(&"SourceGap".to_owned()), "{news:?}");
}

#[test]
fn files_of_a_folder_follow_each_other_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let watched = Watched::Folder(folder.path().to_owned(), ".jsonl");
    let tail = Tail::new("trail", Source::ChangeTrail, watched, Position::default());
    let mut log = Log { folder, tail, read: Vec::new() };
    log.write_to("000001.jsonl", "one\n");
    log.write_to("head", "no\n");
    assert_eq!(log.news(), ["one"]);
    log.write_to("000001.jsonl", "two\n");
    log.write_to("000002.jsonl", "three\n");
    assert_eq!(log.news(), ["two", "three"]);
}

//! As much of a tar (ustar) as images need, with nothing in it that differs from run to run.

use std::io::{Error, Result, Write};

const BLOCK: u64 = 512;

/// Writes entries of root's, of the year 1970.
pub(super) struct Tar<W> {
    to: W,
}

impl<W: Write> Tar<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to }
    }

    /// Where content goes between [`Tar::header`] and [`Tar::pad`].
    pub(super) fn writer(&mut self) -> &mut W {
        &mut self.to
    }

    /// A folder; its name ends with a slash.
    pub(super) fn folder(&mut self, name: &str, mode: u32) -> Result<()> {
        self.to.write_all(&header(name, mode, 0, b'5')?)
    }

    /// A file with this content.
    pub(super) fn file(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        let size = content.len() as u64;
        self.header(name, mode, size)?;
        self.to.write_all(content)?;
        self.pad(size)
    }

    /// Announces a file of this size.
    pub(super) fn header(&mut self, name: &str, mode: u32, size: u64) -> Result<()> {
        self.to.write_all(&header(name, mode, size, b'0')?)
    }

    /// Fills the last block of a file of this size.
    pub(super) fn pad(&mut self, size: u64) -> Result<()> {
        let rest = usize::try_from((BLOCK - size % BLOCK) % BLOCK).unwrap_or_default();
        self.to.write_all(&[0; BLOCK as usize][..rest])
    }

    /// Two empty blocks.
    pub(super) fn end(mut self) -> Result<W> {
        self.to.write_all(&[0; 2 * BLOCK as usize])?;
        Ok(self.to)
    }
}

fn header(name: &str, mode: u32, size: u64, kind: u8) -> Result<[u8; BLOCK as usize]> {
    let mut block = [0; BLOCK as usize];
    let (folder, rest) = split(name).ok_or_else(|| Error::other(format!("{name} is too long for a tar")))?;
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, rest.as_bytes());
    put(100, format!("{mode:07o}").as_bytes());
    put(108, b"0000000"); // owner
    put(116, b"0000000"); // group
    let length = format!("{size:011o}");
    if length.len() > 11 {
        return Err(Error::other(format!("{name} is too large for a tar")));
    }
    put(124, length.as_bytes());
    put(136, b"00000000000"); // time
    put(148, b"        "); // the sum counts itself as blanks
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    put(329, b"0000000"); // device
    put(337, b"0000000");
    put(345, folder.as_bytes());
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    Ok(block)
}

/// A name of at most 100 bytes, and a folder of at most 155 in front of it.
fn split(name: &str) -> Option<(&str, &str)> {
    if name.len() <= 100 {
        return Some(("", name));
    }
    let cuts = name.match_indices('/').map(|(at, _)| (&name[..at], &name[at + 1..]));
    let mut fitting =
        cuts.filter(|(folder, rest)| folder.len() <= 155 && rest.len() <= 100 && !rest.is_empty());
    fitting.next()
}

//! Segments as they lie in the archive: zstd frames with a checksum, which `zstd -d` opens. Pure.

use std::io::{Read, Write};

use super::frame::{HEADER, MOST_BYTES};

/// zstd's own default: three to ten times smaller, at hundreds of megabytes a second.
const LEVEL: i32 = 3;
/// Size at which a segment is sealed, in bytes. One record may go beyond it.
pub const SEALED_AT: usize = 8 * 1024 * 1024;
/// Longest segment that is opened, in bytes.
pub const MOST_UNPACKED: usize = SEALED_AT + HEADER + MOST_BYTES;

/// Why a segment can't be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not what zstd made, cut off, or changed.
    #[error("it is not what was compressed: {0}")]
    Damaged(String),
    /// Longer than a segment can be.
    #[error("it unpacks to more than {MOST_UNPACKED} bytes, which no segment has")]
    TooLong,
}

/// Compresses a segment. The same bytes come out of the same ones.
///
/// # Errors
/// zstd has no memory.
pub fn pack(segment: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::with_capacity(segment.len() / 4), LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(segment.len() as u64))?;
    encoder.write_all(segment)?;
    encoder.finish()
}

/// Opens a segment: one frame, and nothing behind it.
///
/// # Errors
/// It is none of ours, or isn't whole.
pub fn unpack(packed: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let damaged = |error: std::io::Error| Unreadable::Damaged(error.to_string());
    let mut rest = packed;
    let decoder = zstd::Decoder::with_buffer(&mut rest).map_err(damaged)?.single_frame();
    let mut segment = Vec::new();
    let read = decoder.take(MOST_UNPACKED as u64 + 1).read_to_end(&mut segment).map_err(damaged)?;
    if read > MOST_UNPACKED {
        return Err(Unreadable::TooLong);
    }
    if rest.is_empty() { Ok(segment) } else { Err(Unreadable::Damaged("something follows it".into())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back_and_nothing_else_does() {
        let segment: Vec<u8> = (0..100_000u32).flat_map(|n| (n / 7).to_be_bytes()).collect();
        let packed = pack(&segment).unwrap();
        assert_eq!(unpack(&packed).as_ref(), Ok(&segment));
        assert_eq!(pack(&segment).unwrap(), packed);
        for end in [0, 1, 5, packed.len() / 2, packed.len() - 1] {
            assert!(unpack(&packed[..end]).is_err(), "{end}");
        }
        let mut longer = packed.clone();
        longer.push(0);
        assert!(unpack(&longer).is_err());
        for at in (0..packed.len()).step_by(packed.len() / 200 + 1) {
            let mut bad = packed.clone();
            bad[at] ^= 4;
            assert!(unpack(&bad).is_err(), "byte {at}");
        }
    }
}

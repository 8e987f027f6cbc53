//! Segments as they lie in the archive: a zstd frame, and the SHA-256 of it in a skippable frame behind it. Pure.
//!
//! `zstd -d` opens them. zstd's own checksum covers the content alone: a frame has bits that mean nothing, and one of
//! these, flipped, would change the object and be noticed by nobody.

use std::io::{Read, Write};

use sha2::{Digest, Sha256};

use super::frame::{HEADER, MOST_BYTES};

/// zstd's own default: three to ten times smaller, at hundreds of megabytes a second.
const LEVEL: i32 = 3;
/// Size at which a segment is sealed, in bytes. One record may go beyond it.
pub const SEALED_AT: usize = 8 * 1024 * 1024;
/// Longest segment that is opened, in bytes.
pub const MOST_UNPACKED: usize = SEALED_AT + HEADER + MOST_BYTES;

/// A skippable frame of 32 bytes: RFC 8878 section 3.1.2.
const TRAILER: [u8; 8] = [0x50, 0x2a, 0x4d, 0x18, 32, 0, 0, 0];

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
    let mut packed = encoder.finish()?;
    packed.extend_from_slice(&trailer(&packed));
    Ok(packed)
}

fn trailer(packed: &[u8]) -> [u8; 40] {
    let mut all = [0; 40];
    all[..8].copy_from_slice(&TRAILER);
    all[8..].copy_from_slice(&Sha256::digest(packed));
    all
}

/// Opens a segment: one frame and its sum, and nothing behind them.
///
/// # Errors
/// It is none of ours, or isn't whole.
pub fn unpack(packed: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let damaged = |error: std::io::Error| Unreadable::Damaged(error.to_string());
    let split = packed.split_last_chunk::<40>();
    let (packed, trailer) = split.ok_or_else(|| Unreadable::Damaged("it is cut off".into()))?;
    if *trailer != self::trailer(packed) {
        return Err(Unreadable::Damaged("it has another SHA-256 than stands at its end".into()));
    }
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
        // What the zstd program does: skippable frames say nothing.
        assert_eq!(zstd::decode_all(packed.as_slice()).unwrap(), segment);
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

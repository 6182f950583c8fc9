//! `nano-wal`: each record framed by a signature and lengths in a file, without a checksum. It has
//! no offsets: who wants to read a record keeps what its append returned.

use std::error::Error;
use std::time::{Duration, Instant};

use nano_wal::{EntryRef, ReadDescriptor, Wal, WalOptions, WriteEntry, read_batch};

use crate::log_cases::Outcome;
use crate::scratch::Scratch;

const NOW_MS: i64 = 1_700_000_000_000;

/// A record takes five slices of one `writev`, and an operating system takes 1024 of them; an
/// append of more than 204 records fails.
pub const AT_A_TIME: usize = 100;

/// How many records are read at a time: as many as it gives to one `preadv`. It makes little
/// difference between 32 and 2048.
const READ_RECORDS: usize = 512;

fn open(scratch: &Scratch) -> Result<Wal, Box<dyn Error>> {
    let hour = Duration::from_secs(3600);
    let options = WalOptions { retention: hour, segment_duration: hour };
    Ok(Wal::new(scratch.path(), "bench", options)?)
}

/// As many entries as go into one append.
fn entries(value: &[u8]) -> Vec<WriteEntry<'_>> {
    (0..AT_A_TIME).map(|_| WriteEntry { header: None, content: value }).collect()
}

pub fn append_single(records: usize, len: usize) -> Outcome {
    let scratch = Scratch::new("nano-wal")?;
    let wal = open(&scratch)?;
    let value = vec![b'v'; len];
    let start = Instant::now();
    for _ in 0..records {
        std::hint::black_box(wal.append(None, &value, NOW_MS, false)?);
    }
    Ok(start.elapsed())
}

pub fn append_many(records: usize, len: usize) -> Outcome {
    let scratch = Scratch::new("nano-wal")?;
    let wal = open(&scratch)?;
    let value = vec![b'v'; len];
    let entries = entries(&value);
    let start = Instant::now();
    for _ in 0..records / AT_A_TIME {
        std::hint::black_box(wal.append_batch(&entries, NOW_MS, false)?);
    }
    Ok(start.elapsed())
}

/// Reads everything through descriptors that are there before the clock starts.
pub fn read(records: usize, len: usize) -> Outcome {
    let scratch = Scratch::new("nano-wal")?;
    let wal = open(&scratch)?;
    let value = vec![b'v'; len];
    let entries = entries(&value);
    let segment = wal.ensure_segment(NOW_MS)?;
    let descriptor = |entry: EntryRef| ReadDescriptor {
        read_fd: segment.read_fd().clone(),
        file_offset: entry.file_offset,
        byte_size: entry.byte_size,
    };
    let mut descriptors = Vec::with_capacity(records);
    for _ in 0..records / AT_A_TIME {
        let appended = wal.append_batch(&entries, NOW_MS, false)?;
        descriptors.extend(appended.into_iter().map(descriptor));
    }
    let start = Instant::now();
    let mut bytes = 0;
    for some in descriptors.chunks(READ_RECORDS) {
        for record in read_batch(some)? {
            bytes += std::hint::black_box(record).content.len();
        }
    }
    let elapsed = start.elapsed();
    assert_eq!(bytes, records / AT_A_TIME * AT_A_TIME * len);
    Ok(elapsed)
}

//! `commitlog`: each record with its offset and a CRC-32C in a file, and an entry for it in a
//! mapped index; reads verify the CRC of each record.

use std::error::Error;
use std::time::Instant;

use commitlog::message::{MessageBuf, MessageSet};
use commitlog::{CommitLog, LogOptions, ReadLimit};

use crate::log_cases::Outcome;
use crate::scratch::Scratch;

/// How much is read at a time. It makes little difference between 16 KiB and 1 MiB.
const READ_BYTES: usize = 64 << 10;

/// One segment takes everything: a roll would sync the index. Positions in it are of 32 bits.
const SEGMENT: usize = 3 << 30;

/// A thousand records of 1000 bytes are a little more than the default allows in one append.
const MESSAGE_MAX: usize = 4 << 20;

fn open(scratch: &Scratch) -> Result<CommitLog, Box<dyn Error>> {
    let mut options = LogOptions::new(scratch.path());
    options.segment_max_bytes(SEGMENT).message_max_bytes(MESSAGE_MAX);
    Ok(CommitLog::new(options)?)
}

/// Encodes `records` into the buffer, which is used again and again, and appends them.
fn fill(
    log: &mut CommitLog,
    records: usize,
    len: usize,
    at_a_time: usize,
) -> Result<(), Box<dyn Error>> {
    let value = vec![b'v'; len];
    let mut buffer = MessageBuf::default();
    for _ in 0..records / at_a_time {
        buffer.clear();
        for _ in 0..at_a_time {
            buffer.push(&value).map_err(|error| format!("{error:?}"))?;
        }
        log.append(&mut buffer)?;
    }
    Ok(())
}

pub fn append(records: usize, len: usize, at_a_time: usize) -> Outcome {
    let scratch = Scratch::new("commitlog")?;
    let mut log = open(&scratch)?;
    let start = Instant::now();
    fill(&mut log, records, len, at_a_time)?;
    Ok(start.elapsed())
}

pub fn read(records: usize, len: usize) -> Outcome {
    let scratch = Scratch::new("commitlog")?;
    let mut log = open(&scratch)?;
    fill(&mut log, records, len, 1000)?;
    let start = Instant::now();
    let (mut next, mut bytes) = (0, 0);
    loop {
        let found = log.read(next, ReadLimit::max_bytes(READ_BYTES))?;
        let before = next;
        for message in found.iter() {
            let message = std::hint::black_box(message);
            next = message.offset() + 1;
            bytes += message.payload().len();
        }
        if next == before {
            break;
        }
    }
    let elapsed = start.elapsed();
    assert_eq!(bytes, records / 1000 * 1000 * len);
    Ok(elapsed)
}

//! The log by itself, without clients and messages: appends and reads on one core, through a lock,
//! each beside its limit. The log keeps its last segments, so that memory comes back to be used
//! again, as it does under retention.

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafkarium::log::{Log, LogConfig};
use kafkarium::record::{BatchBuilder, BatchOptions, RecordBatch};
use kafkarium::storage::{Disk, MemoryDisk};
use kafkarium::types::{LeaderEpoch, Offset, Timestamp};
use parking_lot::Mutex;

use super::limit;

pub type Outcome = Result<Duration, Box<dyn Error>>;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const SEGMENT: u32 = 4 << 20;

/// A log and its disk behind a lock; segments that are full make way.
pub struct Bench<D> {
    inner: Mutex<(Log, D)>,
}

impl<D: Disk> Bench<D> {
    pub fn new(disk: D, segment_bytes: u32) -> Self {
        let config =
            LogConfig { segment_bytes, max_message_bytes: 4 << 20, ..LogConfig::default() };
        Bench { inner: Mutex::new((Log::new("bench-0", config), disk)) }
    }

    pub fn append(&self, batch: RecordBatch) -> Result<(), Box<dyn Error>> {
        let mut inner = self.inner.lock();
        let (log, disk) = &mut *inner;
        let appended = log.append(disk, NOW, batch, LeaderEpoch(0))?;
        if let Some(roll) = appended.rolled {
            log.advance_log_start(disk, roll.new_base)?;
        }
        Ok(())
    }
}

/// A batch of so many records of `len` bytes.
fn batch(records: usize, value: &[u8]) -> RecordBatch {
    let capacity = 61 + records * (value.len() + 10);
    let mut builder = BatchBuilder::with_capacity(BatchOptions::default(), capacity);
    for _ in 0..records {
        builder.append(NOW, None, Some(value), &[]);
    }
    builder.build()
}

/// How many records of `len` bytes fit into a batch of `bytes`.
pub fn records_in(bytes: usize, len: usize) -> usize {
    ((bytes - 61) / (len + 10)).max(1)
}

/// Encodes batches of `in_batch` records and appends them.
pub fn append<D: Disk>(disk: D, records: usize, len: usize, in_batch: usize) -> Outcome {
    let value = vec![b'v'; len];
    let bench = Bench::new(disk, SEGMENT);
    let start = Instant::now();
    for _ in 0..records / in_batch {
        bench.append(batch(in_batch, &value))?;
    }
    Ok(start.elapsed())
}

/// Batches that came from elsewhere: parsed, verified and appended.
pub fn append_sealed<D: Disk>(disk: D, records: usize, len: usize, bytes: usize) -> Outcome {
    let in_batch = records_in(bytes, len);
    let sources: Vec<Bytes> = limit::sealed(in_batch, len).into_iter().map(Bytes::from).collect();
    let bench = Bench::new(disk, SEGMENT);
    let start = Instant::now();
    for i in 0..records / in_batch {
        let batch = RecordBatch::parse(sources[i % sources.len()].clone())?;
        batch.validate_from_producer()?;
        bench.append(batch)?;
    }
    Ok(start.elapsed())
}

/// Reads a log of 16 KiB batches from its start to its end and decodes each record.
pub fn read<D: Disk>(disk: D, records: usize, len: usize) -> Outcome {
    let in_batch = records_in(16 << 10, len);
    let value = vec![b'v'; len];
    let bench = Bench::new(disk, 1 << 30);
    for _ in 0..records / in_batch {
        bench.append(batch(in_batch, &value))?;
    }
    let start = Instant::now();
    let (mut next, mut bytes) = (Offset::ZERO, 0);
    loop {
        let mut found = {
            let inner = bench.inner.lock();
            let (log, disk) = &*inner;
            log.read(disk, next, 1 << 20, log.log_end_offset(), true)?.records
        };
        let before = next;
        while let Some(batch) = RecordBatch::split_from(&mut found)? {
            batch.verify_crc()?;
            next = batch.next_offset();
            for record in batch.records() {
                bytes += std::hint::black_box(record?).value.map_or(0, <[u8]>::len);
            }
        }
        if next == before {
            break;
        }
    }
    let elapsed = start.elapsed();
    assert_eq!(bytes, records / in_batch * in_batch * len);
    Ok(elapsed)
}

/// Where the cases' logs lie.
pub fn memory() -> MemoryDisk {
    MemoryDisk::new()
}

//! The batches of a log file, header by header.
//!
//! A header is taken as it is, sound or not: a dump shows damaged batches as well. What
//! [`RecordBatch`](crate::record::RecordBatch) demands of one is asked when its records are read.

use super::source::Open;
use super::stop::Stop;
use crate::record::{BATCH_OVERHEAD, Compression, crc32c};

/// Base offset and length.
const LOG_OVERHEAD: u64 = 12;
/// So much the tool reads to find out how long a batch is, and of which magic.
const UP_TO_MAGIC: u64 = 17;
/// The smallest size of a record of the oldest format.
const SMALLEST_SIZE: i32 = 14;
/// Where what the checksum covers begins.
const ATTRIBUTES: usize = 21;

/// The header of a batch in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) position: u64,
    bytes: [u8; BATCH_OVERHEAD],
}

impl Header {
    /// The batch that begins at a position of the file and ends before `end`. `None` where too
    /// little is left for a whole one.
    ///
    /// # Errors
    /// Where no batch can be.
    pub(super) fn read(file: &Open<'_>, position: u64, end: u64) -> Result<Option<Header>, Stop> {
        if position + UP_TO_MAGIC >= end {
            return Ok(None);
        }
        let mut bytes = [0; BATCH_OVERHEAD];
        file.read(position, &mut bytes[..UP_TO_MAGIC as usize])?;
        let mut header = Header { position, bytes };
        let size = header.i32(8);
        if size < SMALLEST_SIZE {
            let what = format!("batch length {size} is less than {SMALLEST_SIZE}");
            return Err(file.stop(position, what));
        }
        if position + header.size() > end {
            return Ok(None);
        }
        if header.magic() < 2 {
            let what = format!("batches of magic {} are not read", header.magic());
            return Err(file.stop(position, what));
        }
        if header.size() < BATCH_OVERHEAD as u64 {
            let what = format!("{} bytes are too few for a batch", header.size());
            return Err(file.stop(position, what));
        }
        file.read(position, &mut header.bytes)?;
        Ok(Some(header))
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes[at..at + N]);
        array
    }

    fn i16(&self, at: usize) -> i16 {
        i16::from_be_bytes(self.array(at))
    }

    fn i32(&self, at: usize) -> i32 {
        i32::from_be_bytes(self.array(at))
    }

    fn i64(&self, at: usize) -> i64 {
        i64::from_be_bytes(self.array(at))
    }

    pub(super) fn base_offset(&self) -> i64 {
        self.i64(0)
    }

    /// The size of the batch in bytes.
    pub(super) fn size(&self) -> u64 {
        LOG_OVERHEAD + self.i32(8).max(0) as u64
    }

    /// Where the next batch begins.
    pub(super) fn next(&self) -> u64 {
        self.position + self.size()
    }

    pub(super) fn partition_leader_epoch(&self) -> i32 {
        self.i32(12)
    }

    pub(super) fn magic(&self) -> i8 {
        self.bytes[16] as i8
    }

    pub(super) fn crc(&self) -> u32 {
        self.i32(17) as u32
    }

    fn attributes(&self) -> i16 {
        self.i16(21)
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.attributes() & 1 << 4 != 0
    }

    pub(super) fn is_control(&self) -> bool {
        self.attributes() & 1 << 5 != 0
    }

    pub(super) fn delete_horizon(&self) -> Option<i64> {
        (self.attributes() & 1 << 6 != 0).then(|| self.i64(27))
    }

    pub(super) fn timestamp_type(&self) -> &'static str {
        if self.attributes() & 1 << 3 == 0 { "CreateTime" } else { "LogAppendTime" }
    }

    /// The codec, or the number that names none.
    pub(super) fn compression(&self) -> Result<Compression, i16> {
        match self.attributes() & 7 {
            0 => Ok(Compression::None),
            1 => Ok(Compression::Gzip),
            2 => Ok(Compression::Snappy),
            3 => Ok(Compression::Lz4),
            4 => Ok(Compression::Zstd),
            bits => Err(bits),
        }
    }

    pub(super) fn last_offset(&self) -> i64 {
        self.base_offset().wrapping_add(i64::from(self.i32(23)))
    }

    pub(super) fn max_timestamp(&self) -> i64 {
        self.i64(35)
    }

    pub(super) fn producer_id(&self) -> i64 {
        self.i64(43)
    }

    pub(super) fn producer_epoch(&self) -> i16 {
        self.i16(51)
    }

    pub(super) fn base_sequence(&self) -> i32 {
        self.i32(53)
    }

    pub(super) fn last_sequence(&self) -> i32 {
        match self.base_sequence() {
            -1 => -1,
            base => add_sequence(base, self.i32(23)),
        }
    }

    pub(super) fn count(&self) -> i32 {
        self.i32(57)
    }

    /// The whole batch.
    pub(super) fn read_batch(&self, file: &Open<'_>) -> Result<Vec<u8>, Stop> {
        let mut bytes = vec![0; self.size() as usize];
        file.read(self.position, &mut bytes)?;
        Ok(bytes)
    }

    /// Whether the checksum fits the bytes of the batch.
    pub(super) fn is_valid(&self, batch: &[u8]) -> bool {
        crc32c(&batch[ATTRIBUTES..]) == self.crc()
    }
}

/// The sequence number so many records later, which goes on at 0 behind `i32::MAX`.
pub(super) fn add_sequence(sequence: i32, records: i32) -> i32 {
    sequence.wrapping_add(records) & i32::MAX
}

//! Record batches as Apache Kafka 4.3.1 writes them, and how to change them. Its own
//! `MemoryRecordsBuilder` printed these bytes.

use bytes::Bytes;
use kafkarium::record::crc32c;

pub const PLAIN: &str = "\
    000000000000000000000071ffffffff02a46c00260000000000020000019b76daa8000000019b76daa8faffff\
    ffffffffffffffffffffffff00000003400000000a616c69636510657370726573736f040874696c6c02330876\
    6f6964011a00f40302010c6e6f206b6579002000cf0f0412746f6d6273746f6e650100";
pub const APPEND_TIME: &str = "\
    00000000000000070000003a0000000302149bcd6d0008000000000000019b76daa8000000019b76daabe7ffff\
    ffffffffffffffffffffffff0000000110000000026b027600";
pub const TRANSACTIONAL: &str = "\
    000000000000000000000043ffffffff026da3f1e30010000000010000019b76daa8000000019b76daa8000000\
    00000000126700050000002a0000000210000000026b02760010000002026b027700";
pub const COMMIT: &str = "\
    00000000000000090000004200000003026fe0f4420030000000000000019b76daa8000000019b76daa8000000\
    0000000012670005ffffffff000000012000000008000000010c00000000000800";
pub const ABORT: &str = "\
    00000000000000090000004200000003029bde220a0030000000000000019b76daa8000000019b76daa8000000\
    0000000012670005ffffffff000000012000000008000000000c00000000000800";
pub const HORIZON: &str = "\
    00000000000000140000003f0000000302419371e90040000000000000019b7c0104000000019b76daa800ffff\
    ffffffffffffffffffffffff000000011a00ffefb2520008676f6e650100";

pub const GOLDEN: [&str; 6] = [PLAIN, APPEND_TIME, TRANSACTIONAL, COMMIT, ABORT, HORIZON];

pub fn bytes(hex: &str) -> Bytes {
    let byte = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// Where a field of the header lies, and how long it is.
pub type Field = (usize, usize);

pub const BASE_OFFSET: Field = (0, 8);
pub const LENGTH: Field = (8, 4);
pub const MAGIC: Field = (16, 1);
pub const LAST_OFFSET_DELTA: Field = (23, 4);
pub const MAX_TIMESTAMP: Field = (35, 8);
pub const COUNT: Field = (57, 4);
/// All of them but the magic, which a hostile batch needs to be looked at, and the checksum.
pub const FIELDS: [Field; 11] = [
    BASE_OFFSET,
    LENGTH,
    (12, 4), // partitionLeaderEpoch
    (21, 2), // attributes
    LAST_OFFSET_DELTA,
    (27, 8), // baseTimestamp
    MAX_TIMESTAMP,
    (43, 8), // producerId
    (51, 2), // producerEpoch
    (53, 4), // baseSequence
    COUNT,
];

/// Writes a number, or the next one that the field can hold.
pub fn put(batch: &mut [u8], (at, len): Field, value: i64) {
    let spare_bits = 64 - 8 * len;
    let value = value.clamp(i64::MIN >> spare_bits, i64::MAX >> spare_bits);
    batch[at..at + len].copy_from_slice(&value.to_be_bytes()[8 - len..]);
}

/// Makes the checksum fit the rest.
pub fn fit_crc(batch: &mut [u8]) {
    let crc = crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

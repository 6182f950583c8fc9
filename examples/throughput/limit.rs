//! The limit that the cluster is measured against: encode, CRC, first touch of fresh memory and
//! decode, each done as tightly as this machine allows, with the same bytes retained.

use std::time::{Duration, Instant};

const BATCH: usize = 16 * 1024;
const HEADER: usize = 61;

/// How long it takes to encode `records` values of `len` bytes into batches of 16 KiB in fresh
/// memory, checksum them, keep them all, and decode them again.
pub fn seconds(records: usize, len: usize) -> Duration {
    let value = vec![b'v'; len];
    let start = Instant::now();
    let mut batches: Vec<Vec<u8>> = Vec::new();
    let mut batch: Vec<u8> = Vec::with_capacity(BATCH);
    let mut in_batch = 0;
    for _ in 0..records {
        if batch.is_empty() {
            batch.resize(HEADER, 0);
        }
        encode(&mut batch, in_batch, &value);
        in_batch += 1;
        if batch.len() + len + 16 > BATCH {
            seal(&mut batch, in_batch);
            batches.push(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)));
            in_batch = 0;
        }
    }
    if in_batch > 0 {
        seal(&mut batch, in_batch);
        batches.push(batch);
    }
    let mut bytes = 0;
    for batch in &batches {
        bytes += decode(batch);
    }
    let elapsed = start.elapsed();
    assert_eq!(bytes, records * len, "the limit's own batches decode to what was encoded");
    elapsed
}

fn seal(batch: &mut [u8], count: u32) {
    batch[57..61].copy_from_slice(&count.to_be_bytes());
    let crc = crc_fast::crc32_iscsi(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

fn varint_size(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    (70 - (zigzag | 1).leading_zeros() as usize) / 7
}

fn encode(out: &mut Vec<u8>, offset_delta: u32, value: &[u8]) {
    let delta = i64::from(offset_delta);
    let body = 1 + 1 + varint_size(delta) + 1 + varint_size(value.len() as i64) + value.len() + 1;
    put_varint(out, body as i64);
    out.extend_from_slice(&[0, 0]);
    put_varint(out, delta);
    out.push(1);
    put_varint(out, value.len() as i64);
    out.extend_from_slice(value);
    out.push(0);
}

fn get_varint(bytes: &[u8], at: &mut usize) -> i64 {
    let (mut zigzag, mut shift) = (0_u64, 0);
    loop {
        let byte = bytes[*at];
        *at += 1;
        zigzag |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        }
    }
}

fn decode(batch: &[u8]) -> usize {
    let crc = u32::from_be_bytes([batch[17], batch[18], batch[19], batch[20]]);
    assert_eq!(crc, crc_fast::crc32_iscsi(&batch[21..]), "the limit's own batches are sound");
    let count = u32::from_be_bytes([batch[57], batch[58], batch[59], batch[60]]);
    let (mut at, mut bytes) = (HEADER, 0);
    for _ in 0..count {
        get_varint(batch, &mut at);
        at += 1;
        let timestamp = get_varint(batch, &mut at);
        let offset = get_varint(batch, &mut at);
        let key = get_varint(batch, &mut at);
        let len = get_varint(batch, &mut at) as usize;
        let value = &batch[at..at + len];
        std::hint::black_box((timestamp, offset, key, value));
        bytes += value.len();
        at += len;
        get_varint(batch, &mut at);
    }
    bytes
}

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

/// Encodes and seals batches of `in_batch` records, each in memory of its own, and keeps the last
/// 8 MiB of them: what producing them costs when nobody has to find them again.
pub fn encode_only(records: usize, len: usize, in_batch: usize) -> Duration {
    let value = vec![b'v'; len];
    let size = HEADER + in_batch * (len + 10);
    let mut ring: Vec<Vec<u8>> = vec![Vec::new(); (8 << 20) / size];
    let start = Instant::now();
    for n in 0..records / in_batch {
        let mut batch: Vec<u8> = Vec::with_capacity(size);
        batch.resize(HEADER, 0);
        for i in 0..in_batch as u32 {
            encode(&mut batch, i, &value);
        }
        seal(&mut batch, in_batch as u32);
        let place = n % ring.len();
        ring[place] = batch;
    }
    std::hint::black_box(&ring);
    start.elapsed()
}

/// Batches as a producer would send them, 64 of them or 4 MiB.
pub fn sealed(in_batch: usize, len: usize) -> Vec<Vec<u8>> {
    let value = vec![b'v'; len];
    let mut batch = vec![0; HEADER];
    for i in 0..in_batch as u32 {
        encode(&mut batch, i, &value);
    }
    let length = batch.len() as u32 - 12;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[12..16].copy_from_slice(&(-1_i32).to_be_bytes());
    batch[16] = 2;
    batch[23..27].copy_from_slice(&(in_batch as u32 - 1).to_be_bytes());
    batch[43..57].copy_from_slice(&[0xff; 14]);
    seal(&mut batch, in_batch as u32);
    let count = ((4 << 20) / batch.len()).clamp(1, 64);
    vec![batch; count]
}

/// Verifies such batches and copies them into memory that is used again.
pub fn verify_and_copy(records: usize, len: usize, in_batch: usize) -> Duration {
    let sources = sealed(in_batch, len);
    let mut memory = vec![1_u8; 4 << 20];
    let mut at = 0;
    let start = Instant::now();
    for i in 0..records / in_batch {
        let source = &sources[i % sources.len()];
        let crc = u32::from_be_bytes([source[17], source[18], source[19], source[20]]);
        assert_eq!(crc, crc_fast::crc32_iscsi(&source[21..]), "the limit's own batches are sound");
        if at + source.len() > memory.len() {
            at = 0;
        }
        memory[at..at + source.len()].copy_from_slice(source);
        at += source.len();
    }
    std::hint::black_box(&memory);
    start.elapsed()
}

/// Decodes such batches, held as they would be in a log.
pub fn decode_only(records: usize, len: usize, in_batch: usize) -> Duration {
    let one = sealed(in_batch, len).swap_remove(0);
    let batches: Vec<Vec<u8>> = (0..records / in_batch).map(|_| one.clone()).collect();
    let start = Instant::now();
    let bytes: usize = batches.iter().map(|batch| decode(batch)).sum();
    let elapsed = start.elapsed();
    assert_eq!(bytes, records / in_batch * in_batch * len);
    elapsed
}

//! The hashes by which Kafka spreads keys and groups.

/// Kafka's murmur2.
#[must_use]
pub fn murmur2(data: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c_u32 ^ data.len() as u32;
    let mut chunks = data.chunks_exact(4);
    for chunk in chunks.by_ref() {
        let mut k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        k = k.wrapping_mul(M);
        k ^= k >> 24;
        k = k.wrapping_mul(M);
        h = h.wrapping_mul(M) ^ k;
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        for (i, &byte) in rest.iter().enumerate() {
            h ^= u32::from(byte) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^= h >> 15;
    h as i32
}

/// Which of so many partitions of `__consumer_offsets` a group belongs to: by the absolute value of
/// Java's `String.hashCode`, the one number that has none counting as 0.
#[must_use]
pub fn group_partition(group_id: &str, count: i32) -> i32 {
    let step = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    let hash = group_id.encode_utf16().fold(0, step);
    hash.checked_abs().unwrap_or(0) % count
}

/// Without the sign bit.
#[must_use]
pub fn to_positive(hash: i32) -> i32 {
    hash & i32::MAX
}

/// CRC-32, by which librdkafka spreads keys.
#[must_use]
pub fn crc32(data: &[u8]) -> u32 {
    crc32fast::hash(data)
}

//! Zigzag varints: small numbers of either sign in few bytes, seven bits a byte, low bits first.

/// Writes a 64-bit varint at the front of `out`, which has room for it; says how many bytes it
/// took. Also right for 32-bit ones, which encode alike.
#[inline(always)]
pub fn write(out: &mut [u8], value: i64) -> usize {
    let rest = zigzag(value);
    if rest < 0x80 {
        out[0] = rest as u8;
        1
    } else if rest < 0x4000 {
        out[..2].copy_from_slice(&[rest as u8 | 0x80, (rest >> 7) as u8]);
        2
    } else {
        write_long(out, rest)
    }
}

fn write_long(out: &mut [u8], mut rest: u64) -> usize {
    let mut len = 0;
    while rest >= 0x80 {
        out[len] = rest as u8 | 0x80;
        rest >>= 7;
        len += 1;
    }
    out[len] = rest as u8;
    len + 1
}

/// How many bytes [`write()`] takes.
#[must_use]
#[inline]
pub fn size(value: i64) -> usize {
    match zigzag(value) {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        long => (64 - long.leading_zeros() as usize).div_ceil(7),
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Reads a 64-bit varint from the front of `bytes`: the value and how many bytes it took. `None`
/// when the bytes end too early or it is longer than ten bytes.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<(i64, usize)> {
    match bytes {
        [first @ ..0x80, ..] => Some((unzigzag(u64::from(*first)), 1)),
        [first, second @ ..0x80, ..] => {
            Some((unzigzag(u64::from(first & 0x7f) | u64::from(*second) << 7), 2))
        }
        _ => read_long(bytes),
    }
}

fn read_long(bytes: &[u8]) -> Option<(i64, usize)> {
    let &first = bytes.first()?;
    let mut value = u64::from(first & 0x7f);
    for (i, &byte) in bytes.iter().enumerate().take(10).skip(1) {
        if i == 9 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some((unzigzag(value), i + 1));
        }
    }
    None
}

/// Like [`read`], for a number that must fit 32 bits and five bytes.
#[must_use]
pub fn read_i32(bytes: &[u8]) -> Option<(i32, usize)> {
    let (value, len) = read(bytes)?;
    if len > 5 {
        return None;
    }
    i32::try_from(value).ok().map(|value| (value, len))
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_encodings() {
        let table: &[(i64, &[u8])] = &[
            (0, &[0]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[126]),
            (-64, &[127]),
            (64, &[0x80, 1]),
            (i64::from(i32::MAX), &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i64::from(i32::MIN), &[0xff, 0xff, 0xff, 0xff, 0x0f]),
            (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ];
        for &(value, encoded) in table {
            let mut out = [0; 10];
            let len = write(&mut out, value);
            assert_eq!(&out[..len], encoded);
            assert_eq!(size(value), encoded.len());
            assert_eq!(read(encoded), Some((value, encoded.len())));
            assert_eq!(read(&encoded[..encoded.len() - 1]), None);
        }
    }

    #[test]
    fn too_long_or_too_large_is_refused() {
        assert_eq!(read(&[0x80; 11]), None);
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]), None);
        assert_eq!(read_i32(&[0x80, 0x80, 0x80, 0x80, 0x20]), None);
        assert_eq!(read_i32(&[0x80, 0x80, 0x80, 0x80, 0x80, 0]), None);
    }
}

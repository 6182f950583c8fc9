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

/// Takes a 64-bit varint off the front of `bytes`. `None`, and the bytes as they are, when they end
/// too early or it is longer than ten bytes.
#[inline(always)]
pub fn read(bytes: &mut &[u8]) -> Option<i64> {
    read_short(bytes).or_else(|| {
        let (value, len) = read_long(bytes, 10)?;
        *bytes = &bytes[len..];
        Some(value)
    })
}

/// Like [`read`], for a number that must fit 32 bits and five bytes.
#[inline(always)]
pub fn read_i32(bytes: &mut &[u8]) -> Option<i32> {
    if let Some(value) = read_short(bytes) {
        return Some(value as i32);
    }
    let (value, len) = read_long(bytes, 5)?;
    let value = i32::try_from(value).ok()?;
    *bytes = &bytes[len..];
    Some(value)
}

/// One and two bytes are all that most records need.
#[inline(always)]
fn read_short(bytes: &mut &[u8]) -> Option<i64> {
    let (value, rest) = match *bytes {
        [first @ ..0x80, rest @ ..] => (u64::from(*first), rest),
        [first, second @ ..0x80, rest @ ..] => {
            (u64::from(first & 0x7f) | u64::from(*second) << 7, rest)
        }
        _ => return None,
    };
    *bytes = rest;
    Some(unzigzag(value))
}

/// The long way for up to `max` bytes: the value and how many bytes it took. The bytes come by
/// value, so that the short way can keep its place among them in registers.
fn read_long(bytes: &[u8], max: usize) -> Option<(i64, usize)> {
    let mut value = 0;
    for (i, &byte) in bytes.iter().enumerate().take(max) {
        // Of the tenth byte one bit is left.
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

#[inline(always)]
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
            let followed = [encoded, b"!"].concat();
            let (mut long, mut int) = (&followed[..], &followed[..]);
            assert_eq!((read(&mut long), long), (Some(value), &b"!"[..]));
            let fits = i32::try_from(value).ok();
            assert_eq!(read_i32(&mut int), fits);
            let left = if fits.is_some() { b"!" } else { &followed[..] };
            assert_eq!(int, left);
            for cut in 0..encoded.len() {
                let (mut long, mut int) = (&encoded[..cut], &encoded[..cut]);
                assert_eq!((read(&mut long), read_i32(&mut int)), (None, None));
                assert_eq!((long, int), (&encoded[..cut], &encoded[..cut]));
            }
        }
    }

    #[test]
    fn too_long_or_too_large_is_refused() {
        assert_eq!(read(&mut &[0x80; 11][..]), None);
        let ten = |last| [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, last];
        assert_eq!(read(&mut &ten(1)[..]), Some(i64::MIN));
        assert_eq!(read(&mut &ten(2)[..]), None);
        assert_eq!(read_i32(&mut &[0x80, 0x80, 0x80, 0x80, 0x0f][..]), Some(0x7800_0000));
        let mut large = &[0x80, 0x80, 0x80, 0x80, 0x20][..];
        assert_eq!((read_i32(&mut large), large.len()), (None, 5));
        assert_eq!(read_i32(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0][..]), None);
    }
}

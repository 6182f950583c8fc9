//! A sequence of bytes in pieces that are shared rather than copied.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Bytes in one or more shared pieces, in order. What a disk returns and what a fetch carries: a
/// batch's body travels as the very piece that its producer sealed.
///
/// No piece is empty.
#[derive(Clone, Debug, Default)]
pub struct Rope {
    pieces: VecDeque<Bytes>,
    len: usize,
}

impl Rope {
    /// A rope of no bytes; allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Rope::default()
    }

    /// Appends a piece without copying it. An empty piece is dropped.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.len += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Appends all pieces of another rope.
    pub fn append(&mut self, other: Rope) {
        self.len += other.len;
        self.pieces.extend(other.pieces);
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces, in order.
    #[must_use]
    pub fn pieces(&self) -> impl ExactSizeIterator<Item = &Bytes> {
        self.pieces.iter()
    }

    /// Copies the first `N` bytes; `None` when there are fewer.
    #[must_use]
    pub fn peek<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let mut filled = 0;
        for piece in &self.pieces {
            let len = piece.len().min(N - filled);
            bytes[filled..filled + len].copy_from_slice(&piece[..len]);
            filled += len;
            if filled == N {
                return Some(bytes);
            }
        }
        (filled == N).then_some(bytes)
    }

    /// Drops the first `len` bytes, or all when there are fewer.
    pub fn advance(&mut self, len: usize) {
        let mut left = len.min(self.len);
        self.len -= left;
        while left > 0
            && let Some(piece) = self.pieces.front_mut()
        {
            if piece.len() > left {
                bytes::Buf::advance(piece, left);
                return;
            }
            left -= piece.len();
            self.pieces.pop_front();
        }
    }

    /// Takes the first `len` bytes off as one piece: shared when they lie within one piece, copied
    /// together otherwise. `None` when there are fewer.
    pub fn split_front(&mut self, len: usize) -> Option<Bytes> {
        if len > self.len {
            return None;
        }
        if len == 0 {
            return Some(Bytes::new());
        }
        self.len -= len;
        let first = self.pieces.front_mut()?;
        if first.len() > len {
            return Some(first.split_to(len));
        }
        if first.len() == len {
            return self.pieces.pop_front();
        }
        let mut joined = BytesMut::with_capacity(len);
        let mut whole = 0;
        for piece in &mut self.pieces {
            let missing = len - joined.len();
            if piece.len() > missing {
                joined.extend_from_slice(&piece.split_to(missing));
                break;
            }
            joined.extend_from_slice(piece);
            whole += 1;
            if joined.len() == len {
                break;
            }
        }
        self.pieces.drain(..whole);
        Some(joined.freeze())
    }

    /// All bytes as one piece: shared when there is only one, copied together otherwise.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        let len = self.len;
        self.split_front(len).unwrap_or_default()
    }
}

impl From<Bytes> for Rope {
    fn from(piece: Bytes) -> Self {
        let mut rope = Rope::new();
        rope.push(piece);
        rope
    }
}

impl FromIterator<Bytes> for Rope {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        let mut rope = Rope::new();
        for piece in pieces {
            rope.push(piece);
        }
        rope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rope(pieces: &[&'static str]) -> Rope {
        pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect()
    }

    #[test]
    fn split_front_shares_a_piece_and_joins_across_pieces() {
        let mut bytes = rope(&["ab", "", "cdef", "gh"]);
        assert_eq!((bytes.len(), bytes.pieces().len()), (8, 3));
        assert_eq!(bytes.split_front(2).unwrap(), "ab");
        assert_eq!(bytes.split_front(1).unwrap(), "c");
        assert_eq!(bytes.split_front(4).unwrap(), "defg");
        assert_eq!(bytes.split_front(2), None);
        assert_eq!(bytes.split_front(0).unwrap(), "");
        assert_eq!(bytes.split_front(1).unwrap(), "h");
        assert!(bytes.is_empty());
    }

    #[test]
    fn into_bytes_keeps_the_only_piece() {
        assert_eq!(rope(&["abc"]).into_bytes(), "abc");
        assert_eq!(rope(&["abc", "d"]).into_bytes(), "abcd");
        assert_eq!(Rope::new().into_bytes(), "");
    }
}

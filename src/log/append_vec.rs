//! A vector that grows at its end and is cheap to clone.
//!
//! The entries lie in chunks of [`CHUNK`], which clones share; only the last chunk is copied when
//! a clone grows. So a log with a hundred thousand index entries is copied by counting references
//! on two hundred chunks.

use std::sync::Arc;

/// How many entries a chunk holds.
const CHUNK: usize = 512;

/// Entries in order. Every chunk but the last is full; no chunk is empty.
#[derive(Clone, Debug)]
pub(super) struct AppendVec<T> {
    chunks: Vec<Arc<Vec<T>>>,
    len: usize,
}

impl<T> Default for AppendVec<T> {
    fn default() -> Self {
        AppendVec { chunks: Vec::new(), len: 0 }
    }
}

impl<T: Copy> AppendVec<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, index: usize) -> Option<T> {
        self.chunks.get(index / CHUNK)?.get(index % CHUNK).copied()
    }

    pub(super) fn last(&self) -> Option<T> {
        self.chunks.last()?.last().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.chunks.iter().flat_map(|chunk| chunk.iter().copied())
    }

    pub(super) fn push(&mut self, entry: T) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => Arc::make_mut(chunk).push(entry),
            _ => self.chunks.push(Arc::new(vec![entry])),
        }
        self.len += 1;
    }

    pub(super) fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        self.chunks.truncate(len.div_ceil(CHUNK));
        self.len = len;
        if let Some(last) = self.chunks.last_mut() {
            Arc::make_mut(last).truncate(len - (len - 1) / CHUNK * CHUNK);
        }
    }

    /// How many entries at the front satisfy `before`, which holds for none after the first for
    /// which it does not hold.
    pub(super) fn partition_point(&self, before: impl Fn(&T) -> bool) -> usize {
        let chunk =
            self.chunks.partition_point(|chunk| chunk.first().is_some_and(&before)).max(1) - 1;
        let within = self.chunks.get(chunk).map_or(0, |chunk| chunk.partition_point(&before));
        chunk * CHUNK + within
    }

    /// The last entry that satisfies `before`, which holds as for
    /// [`partition_point`](AppendVec::partition_point).
    pub(super) fn floor(&self, before: impl Fn(&T) -> bool) -> Option<T> {
        self.get(self.partition_point(before).checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_vector_around_every_chunk_border() {
        let mut entries = AppendVec::default();
        assert_eq!((entries.last(), entries.floor(|_| true)), (None, None));
        for i in 0..3 * CHUNK {
            entries.push(2 * i);
        }
        let full = entries.clone();
        for len in [3 * CHUNK, 2 * CHUNK + 1, 2 * CHUNK, 2 * CHUNK - 1, CHUNK + 7, 1, 0] {
            entries.truncate(len);
            assert_eq!(entries.len(), len);
            assert_eq!(entries.last(), len.checked_sub(1).map(|i| 2 * i));
            assert_eq!(entries.iter().count(), len);
            for at in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 9 * CHUNK] {
                assert_eq!(entries.partition_point(|entry| *entry < 2 * at), at.min(len));
            }
        }
        entries.push(5);
        assert_eq!((entries.last(), full.last()), (Some(5), Some(2 * (3 * CHUNK - 1))));
        assert_eq!((full.floor(|entry| *entry <= 7), full.get(CHUNK)), (Some(6), Some(2 * CHUNK)));
    }
}

//! A file in memory: a persistent rope.
//!
//! The file is a list of pieces, each with the position where it begins, in blocks of
//! [`PIECES_PER_BLOCK`]. Blocks are shared between clones; only the last one is copied when one
//! of the clones writes on. Large pieces are the writer's own `Bytes`. Small ones are copied into
//! the *tail*, a chunk of memory that is sealed into a piece when it is full or when a large piece
//! follows; so a small batch costs no allocation, and neighbours in a chunk read as one piece.
//!
//! Invariants: pieces are not empty and lie end to end from position 0; every block but the last
//! is full, or was the last one when the file was cut; the tail follows the last piece.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::disk::Piece;
use crate::types::Rope;

/// How many pieces a block holds.
const PIECES_PER_BLOCK: usize = 256;

/// Shared pieces up to this length, in bytes, are copied into the tail all the same: a `Bytes` of
/// its own would cost more, and might keep a far larger buffer alive.
const SMALL_PIECE: usize = 1024;

/// The first chunk's size in bytes; each following one doubles, up to [`LARGEST_CHUNK`].
const SMALLEST_CHUNK: usize = 256;

/// The largest chunk's size in bytes: what a clone's first write has to copy at most.
const LARGEST_CHUNK: usize = 16 * 1024;

/// The contents of one file.
#[derive(Debug, Default)]
pub(super) struct MemoryFile {
    blocks: Vec<Block>,
    /// What lies before the tail, in bytes.
    sealed: u64,
    tail: BytesMut,
    /// The size of the chunk that the tail lies in.
    chunk: usize,
}

/// Up to [`PIECES_PER_BLOCK`] pieces, shared between clones.
#[derive(Clone, Debug)]
struct Block {
    start: u64,
    pieces: Arc<Vec<Placed>>,
}

#[derive(Clone, Debug)]
struct Placed {
    start: u64,
    bytes: Bytes,
}

impl MemoryFile {
    /// The file's length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.sealed + self.tail.len() as u64
    }

    /// Appends the pieces in order.
    pub(super) fn append(&mut self, pieces: &[Piece<'_>]) {
        for piece in pieces {
            match piece {
                Piece::Shared(bytes) if bytes.len() > SMALL_PIECE => {
                    self.seal_tail();
                    self.push((*bytes).clone());
                }
                small => self.copy(small.as_slice()),
            }
        }
    }

    /// The bytes from `position` to `end`, which lie within the file.
    pub(super) fn read(&self, position: u64, end: u64) -> Rope {
        let mut rope = Rope::new();
        self.visit(position, end, |owner, slice| {
            rope.push(match owner {
                Some(owner) if owner.len() == slice.len() => owner.clone(),
                Some(owner) => owner.slice_ref(slice),
                None => Bytes::copy_from_slice(slice),
            });
        });
        rope
    }

    /// Fills `buffer` with the bytes from `position` on, which lie within the file.
    pub(super) fn read_into(&self, position: u64, buffer: &mut [u8]) {
        let mut filled = 0;
        self.visit(position, position + buffer.len() as u64, |_, slice| {
            buffer[filled..filled + slice.len()].copy_from_slice(slice);
            filled += slice.len();
        });
    }

    /// Cuts the file to `len` bytes, which it has.
    pub(super) fn truncate(&mut self, len: u64) {
        if len >= self.sealed {
            self.tail.truncate((len - self.sealed) as usize);
            return;
        }
        self.tail = BytesMut::new();
        self.sealed = len;
        self.blocks.truncate(self.blocks.partition_point(|block| block.start < len));
        if let Some(block) = self.blocks.last_mut() {
            let pieces = Arc::make_mut(&mut block.pieces);
            pieces.truncate(pieces.partition_point(|piece| piece.start < len));
            if let Some(last) = pieces.last_mut() {
                last.bytes.truncate((len - last.start) as usize);
            }
        }
    }

    /// Calls `visit` with each slice of the range, and with the `Bytes` that owns it, in order;
    /// what lies in the tail has no owner yet.
    fn visit(&self, position: u64, end: u64, mut visit: impl FnMut(Option<&Bytes>, &[u8])) {
        let sealed_end = end.min(self.sealed);
        let mut at = position;
        let mut block = self.blocks.partition_point(|block| block.start <= at).saturating_sub(1);
        while at < sealed_end {
            let pieces = &self.blocks[block].pieces;
            let first = pieces.partition_point(|piece| piece.start <= at).saturating_sub(1);
            for piece in &pieces[first..] {
                if at >= sealed_end {
                    break;
                }
                let from = (at - piece.start) as usize;
                let to = piece.bytes.len().min((sealed_end - piece.start) as usize);
                visit(Some(&piece.bytes), &piece.bytes[from..to]);
                at = piece.start + to as u64;
            }
            block += 1;
        }
        if at < end {
            visit(None, &self.tail[(at - self.sealed) as usize..(end - self.sealed) as usize]);
        }
    }

    /// Copies bytes to the tail. What the chunk has no room for begins a new one.
    fn copy(&mut self, bytes: &[u8]) {
        if self.tail.capacity() - self.tail.len() < bytes.len() {
            self.seal_tail();
            self.chunk = (2 * self.chunk).clamp(SMALLEST_CHUNK, LARGEST_CHUNK);
            self.tail = BytesMut::with_capacity(self.chunk.max(bytes.len()));
        }
        self.tail.extend_from_slice(bytes);
    }

    /// Makes a piece of what the tail holds; the rest of its chunk stays in use.
    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            let sealed = self.tail.split().freeze();
            self.push(sealed);
        }
    }

    /// Places a piece behind the last one. The tail is empty.
    fn push(&mut self, bytes: Bytes) {
        let start = self.sealed;
        self.sealed += bytes.len() as u64;
        let piece = Placed { start, bytes };
        match self.blocks.last_mut() {
            Some(block) if block.pieces.len() < PIECES_PER_BLOCK => {
                Arc::make_mut(&mut block.pieces).push(piece);
            }
            _ => self.blocks.push(Block { start, pieces: Arc::new(vec![piece]) }),
        }
    }
}

impl Clone for MemoryFile {
    /// Shares everything but the tail, which keeps its room to grow.
    fn clone(&self) -> Self {
        let mut tail = BytesMut::with_capacity(self.tail.capacity());
        tail.extend_from_slice(&self.tail);
        MemoryFile { blocks: self.blocks.clone(), sealed: self.sealed, tail, chunk: self.chunk }
    }
}

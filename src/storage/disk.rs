//! The interface of every disk.

use bytes::Bytes;

use super::DiskError;
use crate::types::Rope;

/// A handle of a file on one disk. It survives a rename, and no later file gets it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// One piece of what is appended, with the permission that goes with it.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    /// Bytes that the disk must copy if it wants to keep them.
    Copied(&'a [u8]),
    /// Bytes that the disk may keep as they are, sharing them with the caller.
    Shared(&'a Bytes),
}

impl Piece<'_> {
    /// The piece's bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Piece::Copied(bytes) => bytes,
            Piece::Shared(bytes) => bytes,
        }
    }
}

/// A byte-addressed disk. Paths are relative, with `/` between their parts; a directory comes into
/// being with its first file.
///
/// After a failed [`append`](Disk::append) a file may end in part of what was to be written, as
/// after a crash. The owner of the file does not count it, and cuts it before the next append.
pub trait Disk {
    /// Creates an empty file. Fails with [`DiskError::AlreadyExists`].
    fn create(&mut self, path: &str) -> Result<FileId, DiskError>;

    /// Opens a file that exists. Fails with [`DiskError::NotFound`].
    fn open(&mut self, path: &str) -> Result<FileId, DiskError>;

    /// Appends the pieces, in order and as one write, and returns the position of the first byte.
    fn append(&mut self, file: FileId, pieces: &[Piece<'_>]) -> Result<u64, DiskError>;

    /// Appends a few bytes, copying them, and returns their position.
    fn append_bytes(&mut self, file: FileId, bytes: &[u8]) -> Result<u64, DiskError> {
        self.append(file, &[Piece::Copied(bytes)])
    }

    /// Reads up to `len` bytes from `position` on: fewer only where the file ends. Fails with
    /// [`DiskError::OutOfRange`] when `position` lies beyond the end.
    fn read(&self, file: FileId, position: u64, len: usize) -> Result<Rope, DiskError>;

    /// Copies bytes from `position` on into `buffer` and returns how many there were: fewer than
    /// the buffer holds only where the file ends. For headers, where [`read`](Disk::read) would
    /// cost an allocation. Fails as `read` does.
    fn read_into(&self, file: FileId, position: u64, buffer: &mut [u8])
    -> Result<usize, DiskError>;

    /// The file's length in bytes.
    fn len(&self, file: FileId) -> Result<u64, DiskError>;

    /// Cuts the file to `len` bytes. Fails with [`DiskError::OutOfRange`] when it is shorter.
    fn truncate(&mut self, file: FileId, len: u64) -> Result<(), DiskError>;

    /// Gives a file another name; a file that had this name is gone.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError>;

    /// Removes a file; its id is invalid from then on.
    fn remove(&mut self, path: &str) -> Result<(), DiskError>;

    /// Gives a directory another name, with everything in it, at once. Fails with
    /// [`DiskError::NotFound`] when there is none, and with [`DiskError::AlreadyExists`] when there
    /// is one of the new name.
    fn rename_dir(&mut self, from: &str, to: &str) -> Result<(), DiskError>;

    /// Removes a directory with everything in it. Fails with [`DiskError::NotFound`].
    fn remove_dir(&mut self, dir: &str) -> Result<(), DiskError>;

    /// The names in a directory, without the directory's own, sorted; a directory in it is named
    /// once. Empty for a directory that does not exist. The root is the empty path.
    fn list(&self, dir: &str) -> Result<Vec<String>, DiskError>;

    /// Hands what was appended so far over to the operating system, so that it outlives this
    /// process. A disk may gather appends until then; reads see them at once.
    fn hand_over(&mut self) -> Result<(), DiskError> {
        Ok(())
    }

    /// Makes the file's bytes durable.
    fn sync(&mut self, file: FileId) -> Result<(), DiskError>;

    /// Makes the creations, renames and removals in a directory durable. That a directory is
    /// there is an entry of the one around it; the root is the empty path.
    fn sync_dir(&mut self, dir: &str) -> Result<(), DiskError>;
}

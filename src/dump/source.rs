//! Where the bytes come from.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use super::stop::Stop;
use crate::storage::{Disk, DiskError, FileId};

/// A file that is open for reading.
pub trait Source {
    /// Its length in bytes.
    fn len(&self) -> u64;

    /// Whether it holds nothing.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills the buffer with the bytes from `position` on, which are within the file.
    ///
    /// # Errors
    /// When they cannot be read, or the file has become shorter.
    fn read_exact_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// Files by their paths.
pub trait Files {
    /// Opens a file.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    fn open(&self, path: &str) -> io::Result<Box<dyn Source + '_>>;
}

impl Source for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_exact_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(position).ok().and_then(|from| self.get(from..));
        match from.and_then(|from| from.get(..buffer.len())) {
            Some(bytes) => buffer.copy_from_slice(bytes),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }
}

/// Files in memory.
impl<K: Ord + std::borrow::Borrow<str>, V: AsRef<[u8]>> Files for BTreeMap<K, V> {
    fn open(&self, path: &str) -> io::Result<Box<dyn Source + '_>> {
        let bytes = self.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(bytes.as_ref()))
    }
}

/// The files of a disk.
pub struct DiskFiles<'a> {
    disk: RefCell<&'a mut dyn Disk>,
}

impl<'a> DiskFiles<'a> {
    /// The files of this disk.
    pub fn new(disk: &'a mut dyn Disk) -> Self {
        DiskFiles { disk: RefCell::new(disk) }
    }
}

impl Files for DiskFiles<'_> {
    fn open(&self, path: &str) -> io::Result<Box<dyn Source + '_>> {
        let mut disk = self.disk.borrow_mut();
        let file = disk.open(path).map_err(io_error)?;
        let len = disk.len(file).map_err(io_error)?;
        Ok(Box::new(DiskFile { files: self, file, len }))
    }
}

struct DiskFile<'a, 'd> {
    files: &'a DiskFiles<'d>,
    file: FileId,
    len: u64,
}

impl Source for DiskFile<'_, '_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        let read = self.files.disk.borrow().read_into(self.file, position, buffer);
        match read.map_err(io_error)? == buffer.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn io_error(error: DiskError) -> io::Error {
    match error {
        DiskError::NotFound { .. } => io::ErrorKind::NotFound.into(),
        error => io::Error::other(error),
    }
}

/// A file with its path, for messages.
pub(super) struct Open<'a> {
    pub(super) path: &'a str,
    source: Box<dyn Source + 'a>,
}

impl<'a> Open<'a> {
    pub(super) fn new(path: &'a str, files: &'a dyn Files) -> Result<Self, Stop> {
        let source = files.open(path).map_err(|error| Stop::new(path, 0, error))?;
        Ok(Open { path, source })
    }

    pub(super) fn len(&self) -> u64 {
        self.source.len()
    }

    /// Bytes that are within the file.
    pub(super) fn read(&self, position: u64, buffer: &mut [u8]) -> Result<(), Stop> {
        let read = self.source.read_exact_at(position, buffer);
        read.map_err(|error| self.stop(position, error))
    }

    pub(super) fn stop(&self, position: u64, what: impl std::fmt::Display) -> Stop {
        Stop::new(self.path, position, what)
    }
}

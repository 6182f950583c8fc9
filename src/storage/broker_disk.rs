//! The disk of a broker: one of those that there are.

use super::directory::DirectoryDisk;
use super::disk::{Disk, FileId, Piece};
use super::error::DiskError;
use super::faulty::FaultyDisk;
use super::memory::MemoryDisk;
use crate::types::Rope;

/// A broker's disk.
#[derive(Clone, Debug)]
pub enum BrokerDisk {
    /// In memory: what is on it lasts as long as the world.
    Memory(MemoryDisk),
    /// In memory, and failing on purpose.
    Faulty(Box<FaultyDisk>),
    /// In a directory.
    Directory(Box<DirectoryDisk>),
}

impl BrokerDisk {
    /// Whether a broker that starts again finds on it what was made durable, and no more for sure.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        !matches!(self, BrokerDisk::Memory(_))
    }
}

/// Calls a method of whatever disk there is. The match is by reference, so that the calls of a disk
/// in memory, of which each append makes several, need not go through a table.
macro_rules! each {
    ($disk:expr, $call:ident($($argument:expr),*)) => {
        match $disk {
            BrokerDisk::Memory(disk) => disk.$call($($argument),*),
            BrokerDisk::Faulty(disk) => disk.$call($($argument),*),
            BrokerDisk::Directory(disk) => disk.$call($($argument),*),
        }
    };
}

impl Disk for BrokerDisk {
    fn create(&mut self, path: &str) -> Result<FileId, DiskError> {
        each!(self, create(path))
    }

    fn open(&mut self, path: &str) -> Result<FileId, DiskError> {
        each!(self, open(path))
    }

    fn append(&mut self, file: FileId, pieces: &[Piece<'_>]) -> Result<u64, DiskError> {
        each!(self, append(file, pieces))
    }

    fn read(&self, file: FileId, position: u64, len: usize) -> Result<Rope, DiskError> {
        each!(self, read(file, position, len))
    }

    fn read_into(
        &self,
        file: FileId,
        position: u64,
        buffer: &mut [u8],
    ) -> Result<usize, DiskError> {
        each!(self, read_into(file, position, buffer))
    }

    fn len(&self, file: FileId) -> Result<u64, DiskError> {
        each!(self, len(file))
    }

    fn truncate(&mut self, file: FileId, len: u64) -> Result<(), DiskError> {
        each!(self, truncate(file, len))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        each!(self, rename(from, to))
    }

    fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        each!(self, remove(path))
    }

    fn rename_dir(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        each!(self, rename_dir(from, to))
    }

    fn remove_dir(&mut self, dir: &str) -> Result<(), DiskError> {
        each!(self, remove_dir(dir))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, DiskError> {
        each!(self, list(dir))
    }

    fn hand_over(&mut self) -> Result<(), DiskError> {
        each!(self, hand_over())
    }

    fn sync(&mut self, file: FileId) -> Result<(), DiskError> {
        each!(self, sync(file))
    }

    fn sync_dir(&mut self, dir: &str) -> Result<(), DiskError> {
        each!(self, sync_dir(dir))
    }
}

//! Bugs of a storage engine, planted under it: a disk that does not do what it was told.

use kafkarium::storage::{Disk, DiskError, FaultyDisk, FileId, Piece};
use kafkarium::types::Rope;

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Segments are not synced when they are flushed.
    FsyncSkipped,
    /// Directories are never synced.
    DirectoryFsyncSkipped,
    /// A cleaned segment takes the place of others before it is durable.
    SwapWithoutItsOrder,
    /// The recovery point is written down before what it promises.
    StaleCheckpoint,
}

impl Bug {
    pub const ALL: [Bug; 4] = [
        Bug::FsyncSkipped,
        Bug::DirectoryFsyncSkipped,
        Bug::SwapWithoutItsOrder,
        Bug::StaleCheckpoint,
    ];
}

/// A disk that fails on purpose, under a storage engine that may have a bug.
#[derive(Clone)]
pub struct PlantedDisk {
    pub disk: FaultyDisk,
    pub bug: Option<Bug>,
    paths: Vec<(FileId, String)>,
}

impl PlantedDisk {
    pub fn new(disk: FaultyDisk, bug: Option<Bug>) -> Self {
        PlantedDisk { disk, bug, paths: Vec::new() }
    }

    fn note(&mut self, file: FileId, path: &str) {
        self.paths.push((file, path.to_owned()));
    }

    /// The name that a file was made or opened by.
    fn ends_with(&self, file: FileId, suffix: &str) -> bool {
        self.paths.iter().any(|(id, path)| *id == file && path.ends_with(suffix))
    }
}

impl Disk for PlantedDisk {
    fn create(&mut self, path: &str) -> Result<FileId, DiskError> {
        let file = self.disk.create(path)?;
        self.note(file, path);
        Ok(file)
    }

    fn open(&mut self, path: &str) -> Result<FileId, DiskError> {
        let file = self.disk.open(path)?;
        self.note(file, path);
        Ok(file)
    }

    fn append(&mut self, file: FileId, pieces: &[Piece<'_>]) -> Result<u64, DiskError> {
        self.disk.append(file, pieces)
    }

    fn read(&self, file: FileId, position: u64, len: usize) -> Result<Rope, DiskError> {
        self.disk.read(file, position, len)
    }

    fn read_into(&self, file: FileId, at: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        self.disk.read_into(file, at, buffer)
    }

    fn len(&self, file: FileId) -> Result<u64, DiskError> {
        self.disk.len(file)
    }

    fn truncate(&mut self, file: FileId, len: u64) -> Result<(), DiskError> {
        self.disk.truncate(file, len)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.disk.rename(from, to)
    }

    fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        self.disk.remove(path)
    }

    fn rename_dir(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.disk.rename_dir(from, to)
    }

    fn remove_dir(&mut self, dir: &str) -> Result<(), DiskError> {
        self.disk.remove_dir(dir)
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, DiskError> {
        self.disk.list(dir)
    }

    fn sync(&mut self, file: FileId) -> Result<(), DiskError> {
        let skipped = match self.bug {
            Some(Bug::FsyncSkipped) => self.ends_with(file, ".log"),
            Some(Bug::SwapWithoutItsOrder) => self.ends_with(file, ".log.cleaned"),
            _ => false,
        };
        if skipped { Ok(()) } else { self.disk.sync(file) }
    }

    fn sync_dir(&mut self, dir: &str) -> Result<(), DiskError> {
        match self.bug {
            Some(Bug::DirectoryFsyncSkipped) => Ok(()),
            _ => self.disk.sync_dir(dir),
        }
    }
}

//! The disk of a simulation: it breaks, by script or by chance.
//!
//! It holds two images: the *live* one, which reads see, and the *durable* one
//! ([`durable_image`](super::durable_image) says what that is). While nothing goes wrong it is a
//! disk in memory. What can go wrong:
//!
//! | fault | what happens |
//! |---|---|
//! | [`fail_power_at`](FaultyDisk::fail_power_at) | the power goes off inside an operation; every later one fails until [`power_on`](FaultyDisk::power_on) |
//! | [`power_on`](FaultyDisk::power_on) | the live image becomes what is left, drawn at random |
//! | [`fail_write`](FaultyDisk::fail_write), [`fail_sync`](FaultyDisk::fail_sync) | an operation fails; a write may have got through in part |
//! | [`set_limit`](FaultyDisk::set_limit) | the disk is full |
//! | [`flip_bit`](FaultyDisk::flip_bit) | a bit of what was written turns over |
//! | [`DiskFaults`] | writes and syncs fail by chance |

use bytes::Bytes;

use super::disk::{Disk, FileId, Piece};
use super::durable_image::DurableImage;
use super::error::DiskError;
use super::memory::MemoryDisk;
use crate::random::Random;
use crate::types::Rope;

/// How often an operation of the disk fails, in thousandths. Never by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskFaults {
    /// Writes: creations, appends, truncations, renames, removals.
    pub write_permille: u32,
    /// Syncs, of files and directories.
    pub sync_permille: u32,
}

/// A disk in memory that fails on purpose.
#[derive(Clone, Debug)]
pub struct FaultyDisk {
    live: MemoryDisk,
    durable: DurableImage,
    /// The path of each file that has been opened, by its id.
    paths: Vec<(FileId, String)>,
    operations: u64,
    power_fails_at: Option<u64>,
    is_off: bool,
    failing_write: Option<u64>,
    failing_sync: Option<u64>,
    rates: DiskFaults,
    random: Random,
}

/// What an operation that changes the disk comes to.
#[derive(PartialEq, Eq)]
enum Course {
    Normal,
    /// The power goes off while it is at work.
    PowerFails,
    Fails,
}

impl FaultyDisk {
    /// An empty disk that fails by these rates. All that is drawn follows from the seed.
    #[must_use]
    pub fn new(rates: DiskFaults, seed: u64) -> Self {
        FaultyDisk {
            live: MemoryDisk::new(),
            durable: DurableImage::new(),
            paths: Vec::new(),
            operations: 0,
            power_fails_at: None,
            is_off: false,
            failing_write: None,
            failing_sync: None,
            rates,
            random: Random::stream(seed, "disk"),
        }
    }

    /// How many operations there have been that change something or make it durable.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Draws anew from now on: copies of one disk come to different ends.
    pub fn reseed(&mut self, seed: u64) {
        self.random = Random::stream(seed, "disk");
    }

    /// Lets the power fail inside the operation of this number; the first one is 0.
    pub fn fail_power_at(&mut self, operation: u64) {
        self.power_fails_at = Some(operation);
    }

    /// Lets the power fail now, between two operations.
    pub fn power_off(&mut self) {
        self.is_off = true;
    }

    /// Whether the power is off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.is_off
    }

    /// The power comes back. What is left of unsynced changes is drawn at random; files have to be
    /// opened anew.
    pub fn power_on(&mut self) {
        let survivors = self.durable.survivors(&mut self.random);
        self.live.clear();
        self.durable = DurableImage::new();
        self.paths.clear();
        for (path, bytes) in survivors {
            let Ok(file) = self.live.create(&path) else { continue };
            let _ = self.live.append(file, &[Piece::Shared(&Bytes::from(bytes.clone()))]);
            self.durable.create(&path);
            self.durable.write(&path, 0, bytes);
            self.durable.sync(&path);
        }
        self.durable.sync_all_dirs();
        self.power_fails_at = None;
        self.is_off = false;
    }

    /// Lets a write fail, after so many more that succeed. An append may get through in part.
    pub fn fail_write(&mut self, after: u64) {
        self.failing_write = Some(after);
    }

    /// Lets a sync fail, after so many more that succeed. What it should have made durable is
    /// passed over by later ones.
    pub fn fail_sync(&mut self, after: u64) {
        self.failing_sync = Some(after);
    }

    /// From now on the files may take so many bytes together.
    pub fn set_limit(&mut self, bytes: u64) {
        self.live.set_limit(bytes);
    }

    /// Turns one bit over, the lowest being 0.
    ///
    /// # Errors
    /// [`DiskError::NotFound`], and [`DiskError::OutOfRange`] behind the file's end.
    pub fn flip_bit(&mut self, path: &str, position: u64, bit: u8) -> Result<(), DiskError> {
        let file = self.live.open(path)?;
        let len = self.live.len(file)?;
        if position >= len {
            return Err(DiskError::OutOfRange { path: path.to_owned(), position, len });
        }
        let mut bytes = self.live.read(file, 0, usize::MAX)?.into_bytes().to_vec();
        bytes[position as usize] ^= 1 << (bit & 7);
        self.live.truncate(file, 0)?;
        self.live.append(file, &[Piece::Shared(&Bytes::from(bytes))])?;
        self.durable.flip_bit(path, position, bit & 7);
        Ok(())
    }

    /// Begins an operation that changes something, and draws what comes of it.
    fn begin(&mut self, path: &str, is_sync: bool) -> Result<Course, DiskError> {
        self.check_power(path)?;
        let operation = self.operations;
        self.operations += 1;
        if self.power_fails_at == Some(operation) {
            self.is_off = true;
            return Ok(Course::PowerFails);
        }
        let (scripted, permille) = match is_sync {
            true => (&mut self.failing_sync, self.rates.sync_permille),
            false => (&mut self.failing_write, self.rates.write_permille),
        };
        let fails = match scripted {
            Some(0) => {
                *scripted = None;
                true
            }
            Some(more) => {
                *more -= 1;
                false
            }
            None => permille > 0 && self.random.below(1000) < u64::from(permille),
        };
        Ok(if fails { Course::Fails } else { Course::Normal })
    }

    fn check_power(&self, path: &str) -> Result<(), DiskError> {
        if self.is_off { Err(io_error(path, 0, "the power is off")) } else { Ok(()) }
    }

    fn path(&self, file: FileId) -> Result<String, DiskError> {
        let known = self.paths.iter().find(|(id, _)| *id == file).map(|(_, path)| path.clone());
        known.ok_or_else(|| DiskError::NotFound { path: format!("removed file {}", file.0) })
    }

    /// Carries out an operation on names, as [`begin`](FaultyDisk::begin) has it come. One that the
    /// power interrupts has happened, and is not durable.
    fn change_names<T>(
        &mut self,
        path: &str,
        live: impl FnOnce(&mut MemoryDisk) -> Result<T, DiskError>,
        durable: impl FnOnce(&mut DurableImage),
    ) -> Result<T, DiskError> {
        let course = self.begin(path, false)?;
        if course == Course::Fails {
            return Err(io_error(path, 0, "the disk failed"));
        }
        let done = live(&mut self.live)?;
        durable(&mut self.durable);
        match course {
            Course::PowerFails => Err(io_error(path, 0, "the power is off")),
            _ => Ok(done),
        }
    }
}

impl Disk for FaultyDisk {
    fn create(&mut self, path: &str) -> Result<FileId, DiskError> {
        let file =
            self.change_names(path, |live| live.create(path), |durable| durable.create(path))?;
        self.paths.push((file, path.to_owned()));
        Ok(file)
    }

    fn open(&mut self, path: &str) -> Result<FileId, DiskError> {
        self.check_power(path)?;
        let file = self.live.open(path)?;
        if self.paths.iter().all(|(id, _)| *id != file) {
            self.paths.push((file, path.to_owned()));
        }
        Ok(file)
    }

    fn append(&mut self, file: FileId, pieces: &[Piece<'_>]) -> Result<u64, DiskError> {
        let path = self.path(file)?;
        let course = self.begin(&path, false)?;
        let mut bytes: Vec<u8> =
            pieces.iter().flat_map(|piece| piece.as_slice()).copied().collect();
        let position = self.live.len(file)?;
        if course == Course::Fails {
            bytes.truncate(self.random.below(bytes.len() as u64 + 1) as usize);
        }
        let appended = self.live.append_bytes(file, &bytes)?;
        self.durable.write(&path, appended, bytes);
        match course {
            Course::Normal => Ok(position),
            Course::PowerFails => Err(io_error(&path, position, "the power is off")),
            Course::Fails => Err(io_error(&path, position, "the disk failed")),
        }
    }

    fn read(&self, file: FileId, position: u64, len: usize) -> Result<Rope, DiskError> {
        self.check_power("")?;
        self.live.read(file, position, len)
    }

    fn read_into(
        &self,
        file: FileId,
        position: u64,
        buffer: &mut [u8],
    ) -> Result<usize, DiskError> {
        self.check_power("")?;
        self.live.read_into(file, position, buffer)
    }

    fn len(&self, file: FileId) -> Result<u64, DiskError> {
        self.check_power("")?;
        self.live.len(file)
    }

    fn truncate(&mut self, file: FileId, len: u64) -> Result<(), DiskError> {
        let path = self.path(file)?;
        self.change_names(
            &path,
            |live| live.truncate(file, len),
            |durable| durable.truncate(&path, len),
        )
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.change_names(from, |live| live.rename(from, to), |durable| durable.rename(from, to))?;
        self.paths.retain(|(_, path)| path != to);
        for (_, path) in self.paths.iter_mut().filter(|(_, path)| path == from) {
            *path = to.to_owned();
        }
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        self.change_names(path, |live| live.remove(path), |durable| durable.remove(path))?;
        self.paths.retain(|(_, known)| known != path);
        Ok(())
    }

    fn rename_dir(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.change_names(
            from,
            |live| live.rename_dir(from, to),
            |durable| durable.rename(from, to),
        )?;
        for (_, path) in &mut self.paths {
            if let Some(below) = path.strip_prefix(from).filter(|below| below.starts_with('/')) {
                *path = format!("{to}{below}");
            }
        }
        Ok(())
    }

    fn remove_dir(&mut self, dir: &str) -> Result<(), DiskError> {
        self.change_names(dir, |live| live.remove_dir(dir), |durable| durable.remove(dir))?;
        let below = format!("{dir}/");
        self.paths.retain(|(_, path)| !path.starts_with(&below));
        Ok(())
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, DiskError> {
        self.check_power(dir)?;
        self.live.list(dir)
    }

    fn sync(&mut self, file: FileId) -> Result<(), DiskError> {
        let path = self.path(file)?;
        match self.begin(&path, true)? {
            Course::Normal => self.durable.sync(&path),
            Course::PowerFails => return Err(io_error(&path, 0, "the power is off")),
            Course::Fails => {
                self.durable.fail_sync(&path);
                return Err(io_error(&path, 0, "the disk failed"));
            }
        }
        Ok(())
    }

    fn sync_dir(&mut self, dir: &str) -> Result<(), DiskError> {
        match self.begin(dir, true)? {
            Course::Normal => self.durable.sync_dir(dir),
            Course::PowerFails => return Err(io_error(dir, 0, "the power is off")),
            Course::Fails => return Err(io_error(dir, 0, "the disk failed")),
        }
        Ok(())
    }
}

fn io_error(path: &str, position: u64, message: &str) -> DiskError {
    DiskError::Io { path: path.to_owned(), position, message: message.to_owned() }
}

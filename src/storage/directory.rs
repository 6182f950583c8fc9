//! A disk that is a directory of the operating system.
//!
//! Appends are gathered: small ones wait in a buffer of their file until it holds
//! [`BUFFER_BYTES`], until they are read from the disk, or until [`hand_over`](Disk::hand_over); a
//! large one is written at once, together with what waits, in one call. So a batch of 100 bytes
//! does not cost a call of the system, and one of a megabyte is not copied.
//!
//! What is known of a file (its length, its path) is kept here, since nobody else writes to it: the
//! file `.lock` in the root is locked as long as the disk is open. Files are opened when they are
//! needed; at most [`MAX_OPEN_FILES`] are open at a time, and the one that was used longest ago
//! gives way.
//!
//! # Assumptions about the system
//!
//! A write is seen by every later read. `fsync` of a file makes its bytes durable, `fsync` of a
//! directory its entries. A rename replaces the old file at once. After a failed `fsync` nothing is
//! sure; the owner of the file has to give it up.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};

use bytes::BytesMut;

use super::disk::{Disk, FileId, Piece};
use super::error::DiskError;
use crate::types::Rope;

/// How many bytes of a file wait to be written, at most.
pub const BUFFER_BYTES: usize = 64 * 1024;

/// How many files are open at a time, at most.
pub const MAX_OPEN_FILES: usize = 256;

/// The file that is locked while the disk is open, by Kafka's name.
const LOCK: &str = ".lock";

/// A directory as a disk.
///
/// A clone is a disk without a directory: each of its operations fails. Two worlds cannot write to
/// the same files.
#[derive(Debug)]
pub struct DirectoryDisk {
    root: PathBuf,
    /// `None` in a clone.
    lock: Option<File>,
    ids: BTreeMap<String, FileId>,
    files: Vec<Slot>,
    /// The files that have bytes to be written.
    dirty: Vec<FileId>,
    open_files: usize,
    /// Counts the uses of files, to find the one that was used longest ago.
    uses: u64,
}

/// What is known of a file.
#[derive(Debug, Default)]
struct Slot {
    /// `None` once it is removed.
    path: Option<String>,
    handle: Option<File>,
    used: u64,
    /// How many bytes have been written.
    written: u64,
    /// What follows them.
    buffer: Vec<u8>,
    is_dirty: bool,
}

impl Slot {
    fn len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }
}

impl DirectoryDisk {
    /// Opens a directory as a disk; makes it if there is none.
    ///
    /// # Errors
    /// [`DiskError::Locked`] when another disk has it open, and what the system answered.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, DiskError> {
        let root = root.as_ref().to_owned();
        let shown = root.display().to_string();
        fs::create_dir_all(&root).map_err(|error| failed(&shown, 0, &error))?;
        let path = root.join(LOCK);
        let shown = path.display().to_string();
        let options = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let lock = options.map_err(|error| failed(&shown, 0, &error))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => DiskError::Locked { path: shown.clone() },
            TryLockError::Error(error) => failed(&shown, 0, &error),
        })?;
        Ok(DirectoryDisk::with(root, Some(lock)))
    }

    fn with(root: PathBuf, lock: Option<File>) -> Self {
        DirectoryDisk {
            root,
            lock,
            ids: BTreeMap::new(),
            files: Vec::new(),
            dirty: Vec::new(),
            open_files: 0,
            uses: 0,
        }
    }

    /// Where a path of this disk lies.
    fn at(&self, path: &str) -> Result<PathBuf, DiskError> {
        if self.lock.is_none() {
            let message = "a copy of a cluster has no directory".to_owned();
            return Err(DiskError::Io { path: path.to_owned(), position: 0, message });
        }
        Ok(if path.is_empty() { self.root.clone() } else { self.root.join(path) })
    }

    fn slot(&self, file: FileId) -> Result<(&Slot, &str), DiskError> {
        let slot = self.files.get(file.0 as usize);
        match slot.and_then(|slot| Some((slot, slot.path.as_deref()?))) {
            Some(found) => Ok(found),
            None => Err(DiskError::NotFound { path: format!("removed file {}", file.0) }),
        }
    }

    /// A file that exists, under its id; the same id whenever it is opened.
    fn enter(&mut self, path: &str, handle: Option<File>, len: u64) -> FileId {
        let file = FileId(u32::try_from(self.files.len()).expect("fewer than 2^32 files"));
        self.open_files += usize::from(handle.is_some());
        let path = path.to_owned();
        self.ids.insert(path.clone(), file);
        self.files.push(Slot { path: Some(path), handle, written: len, ..Slot::default() });
        file
    }

    /// Does something with the open file.
    fn with_handle<T>(
        &mut self,
        file: FileId,
        act: impl FnOnce(&mut File) -> io::Result<T>,
    ) -> Result<T, DiskError> {
        let (slot, path) = self.slot(file)?;
        let position = slot.written;
        let at = self.at(path)?;
        let path = path.to_owned();
        self.uses += 1;
        let uses = self.uses;
        if self.files[file.0 as usize].handle.is_none() {
            if self.open_files >= MAX_OPEN_FILES {
                self.close_one();
            }
            let opened = open_for_append(&at).map_err(|error| failed(&path, position, &error))?;
            self.files[file.0 as usize].handle = Some(opened);
            self.open_files += 1;
        }
        let slot = &mut self.files[file.0 as usize];
        slot.used = uses;
        let Some(handle) = &mut slot.handle else { unreachable!("it has just been opened") };
        act(handle).map_err(|error| failed(&path, position, &error))
    }

    /// Closes the file that was used longest ago. What waits for it is kept.
    fn close_one(&mut self) {
        let open = self.files.iter_mut().filter(|slot| slot.handle.is_some());
        if let Some(oldest) = open.min_by_key(|slot| slot.used) {
            oldest.handle = None;
            self.open_files -= 1;
        }
    }

    /// Writes what waits, and these pieces behind it, in as few calls as the system allows.
    fn write_out(&mut self, file: FileId, pieces: &[Piece<'_>]) -> Result<(), DiskError> {
        let Some(slot) = self.files.get_mut(file.0 as usize) else { return Ok(()) };
        let buffer = std::mem::take(&mut slot.buffer);
        slot.is_dirty = false;
        let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(1 + pieces.len());
        slices.push(IoSlice::new(&buffer));
        slices.extend(pieces.iter().map(|piece| IoSlice::new(piece.as_slice())));
        let result = self.with_handle(file, |handle| write_all(handle, &mut slices));
        let pieces_len: usize = pieces.iter().map(|piece| piece.as_slice().len()).sum();
        let slot = &mut self.files[file.0 as usize];
        if let Err(error) = result {
            // How much was written is not known: the file is as long as it is.
            slot.written = slot
                .handle
                .as_ref()
                .and_then(|handle| handle.metadata().ok())
                .map_or(slot.written, |metadata| metadata.len());
            return Err(error);
        }
        slot.written += (buffer.len() + pieces_len) as u64;
        slot.buffer = buffer;
        slot.buffer.clear();
        Ok(())
    }

    /// Reads written bytes into a buffer.
    fn read_at(&self, file: FileId, position: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        let (slot, path) = self.slot(file)?;
        let read = match &slot.handle {
            Some(handle) => read_exact_at(handle, buffer, position),
            None => {
                let at = self.at(path)?;
                File::open(at).and_then(|handle| read_exact_at(&handle, buffer, position))
            }
        };
        read.map_err(|error| failed(path, position, &error))
    }

    /// The slot, once `position` is known to lie within the file.
    fn within(&self, file: FileId, position: u64) -> Result<&Slot, DiskError> {
        let (slot, path) = self.slot(file)?;
        let len = slot.len();
        if position > len {
            return Err(DiskError::OutOfRange { path: path.to_owned(), position, len });
        }
        Ok(slot)
    }

    /// Forgets a file that is gone.
    fn release(&mut self, path: &str) {
        if let Some(file) = self.ids.remove(path) {
            let slot = std::mem::take(&mut self.files[file.0 as usize]);
            self.open_files -= usize::from(slot.handle.is_some());
        }
    }

    /// The known files in a directory, those in directories within it among them.
    fn below(&self, dir: &str) -> Vec<String> {
        let prefix = format!("{dir}/");
        self.ids.keys().filter(|path| path.starts_with(&prefix)).cloned().collect()
    }
}

impl Clone for DirectoryDisk {
    fn clone(&self) -> Self {
        DirectoryDisk::with(self.root.clone(), None)
    }
}

impl Drop for DirectoryDisk {
    fn drop(&mut self) {
        // Nobody is there to be told of an error; what was to be safe was synced.
        let _ = self.hand_over();
    }
}

impl Disk for DirectoryDisk {
    fn create(&mut self, path: &str) -> Result<FileId, DiskError> {
        let at = self.at(path)?;
        if let Some(dir) = at.parent().filter(|_| path.contains('/')) {
            fs::create_dir_all(dir).map_err(|error| failed(path, 0, &error))?;
        }
        if self.open_files >= MAX_OPEN_FILES {
            self.close_one();
        }
        let created = OpenOptions::new().read(true).append(true).create_new(true).open(at);
        let handle = created.map_err(|error| failed(path, 0, &error))?;
        Ok(self.enter(path, Some(handle), 0))
    }

    fn open(&mut self, path: &str) -> Result<FileId, DiskError> {
        if let Some(&file) = self.ids.get(path) {
            return Ok(file);
        }
        let at = self.at(path)?;
        let metadata = fs::metadata(at).map_err(|error| failed(path, 0, &error))?;
        if !metadata.is_file() {
            return Err(DiskError::NotFound { path: path.to_owned() });
        }
        Ok(self.enter(path, None, metadata.len()))
    }

    fn append(&mut self, file: FileId, pieces: &[Piece<'_>]) -> Result<u64, DiskError> {
        let position = self.slot(file)?.0.len();
        let added: usize = pieces.iter().map(|piece| piece.as_slice().len()).sum();
        let slot = &mut self.files[file.0 as usize];
        if slot.buffer.len() + added > BUFFER_BYTES {
            self.write_out(file, pieces)?;
            return Ok(position);
        }
        for piece in pieces {
            slot.buffer.extend_from_slice(piece.as_slice());
        }
        if !slot.is_dirty && added > 0 {
            slot.is_dirty = true;
            self.dirty.push(file);
        }
        Ok(position)
    }

    fn read(&self, file: FileId, position: u64, len: usize) -> Result<Rope, DiskError> {
        let slot = self.within(file, position)?;
        let len = len.min(usize::try_from(slot.len() - position).unwrap_or(usize::MAX));
        let mut bytes = BytesMut::zeroed(len);
        self.read_into(file, position, &mut bytes)?;
        Ok(Rope::from(bytes.freeze()))
    }

    fn read_into(
        &self,
        file: FileId,
        position: u64,
        buffer: &mut [u8],
    ) -> Result<usize, DiskError> {
        let slot = self.within(file, position)?;
        let written = slot.written.saturating_sub(position);
        let from_file = buffer.len().min(usize::try_from(written).unwrap_or(usize::MAX));
        let (on_disk, in_memory) = buffer.split_at_mut(from_file);
        if from_file > 0 {
            self.read_at(file, position, on_disk)?;
        }
        let waiting = &slot.buffer[(position.max(slot.written) - slot.written) as usize..];
        let from_memory = in_memory.len().min(waiting.len());
        in_memory[..from_memory].copy_from_slice(&waiting[..from_memory]);
        Ok(from_file + from_memory)
    }

    fn len(&self, file: FileId) -> Result<u64, DiskError> {
        self.slot(file).map(|(slot, _)| slot.len())
    }

    fn truncate(&mut self, file: FileId, len: u64) -> Result<(), DiskError> {
        let slot = self.within(file, len)?;
        let written = slot.written;
        if len < written {
            self.with_handle(file, |handle| handle.set_len(len))?;
        }
        let slot = &mut self.files[file.0 as usize];
        slot.written = written.min(len);
        slot.buffer.truncate((len - slot.written) as usize);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        let file = self.open(from)?;
        fs::rename(self.at(from)?, self.at(to)?).map_err(|error| failed(from, 0, &error))?;
        if from != to {
            self.release(to);
            self.ids.remove(from);
            self.ids.insert(to.to_owned(), file);
            self.files[file.0 as usize].path = Some(to.to_owned());
        }
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        fs::remove_file(self.at(path)?).map_err(|error| failed(path, 0, &error))?;
        self.release(path);
        Ok(())
    }

    fn rename_dir(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        let (old, new) = (self.at(from)?, self.at(to)?);
        if !old.is_dir() {
            return Err(DiskError::NotFound { path: from.to_owned() });
        }
        if new.exists() {
            return Err(DiskError::AlreadyExists { path: to.to_owned() });
        }
        fs::rename(old, new).map_err(|error| failed(from, 0, &error))?;
        for path in self.below(from) {
            let moved = format!("{to}{}", &path[from.len()..]);
            if let Some(file) = self.ids.remove(&path) {
                self.files[file.0 as usize].path = Some(moved.clone());
                self.ids.insert(moved, file);
            }
        }
        Ok(())
    }

    fn remove_dir(&mut self, dir: &str) -> Result<(), DiskError> {
        fs::remove_dir_all(self.at(dir)?).map_err(|error| failed(dir, 0, &error))?;
        for path in self.below(dir) {
            self.release(&path);
        }
        Ok(())
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, DiskError> {
        let entries = match fs::read_dir(self.at(dir)?) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(dir, 0, &error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| failed(dir, 0, &error))?;
            // A name that is no text is none of ours.
            if let Ok(name) = entry.file_name().into_string()
                && !(dir.is_empty() && name == LOCK)
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn hand_over(&mut self) -> Result<(), DiskError> {
        while let Some(file) = self.dirty.pop() {
            if self.files[file.0 as usize].is_dirty {
                self.write_out(file, &[])?;
            }
        }
        Ok(())
    }

    fn sync(&mut self, file: FileId) -> Result<(), DiskError> {
        self.write_out(file, &[])?;
        self.with_handle(file, |handle| handle.sync_data())
    }

    fn sync_dir(&mut self, dir: &str) -> Result<(), DiskError> {
        let synced = File::open(self.at(dir)?).and_then(|handle| handle.sync_all());
        synced.map_err(|error| failed(dir, 0, &error))
    }
}

fn open_for_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).open(path)
}

/// Writes all slices, in order.
fn write_all(handle: &mut File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match handle.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn read_exact_at(handle: &File, buffer: &mut [u8], position: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(handle, buffer, position)
}

#[cfg(not(unix))]
fn read_exact_at(mut handle: &File, buffer: &mut [u8], position: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    handle.seek(SeekFrom::Start(position))?;
    handle.read_exact(buffer)
}

/// The error of a disk for what the system answered.
fn failed(path: &str, position: u64, error: &io::Error) -> DiskError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => DiskError::NotFound { path },
        io::ErrorKind::AlreadyExists => DiskError::AlreadyExists { path },
        io::ErrorKind::StorageFull => DiskError::Full { path, position },
        _ => DiskError::Io { path, position, message: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// A directory that is there as long as the test runs.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("kafkarium-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn small_appends_wait_and_are_read_all_the_same() {
        let scratch = Scratch::new("gather");
        let mut disk = DirectoryDisk::open(&scratch.0).unwrap();
        let file = disk.create("a-0/x").unwrap();
        let on_disk = || fs::read(scratch.0.join("a-0/x")).unwrap();
        disk.append_bytes(file, b"abc").unwrap();
        disk.append_bytes(file, b"def").unwrap();
        assert_eq!((on_disk().len(), disk.len(file).unwrap()), (0, 6));
        assert_eq!(disk.read(file, 2, 3).unwrap().into_bytes(), "cde");
        disk.hand_over().unwrap();
        assert_eq!(on_disk(), b"abcdef");
        disk.append_bytes(file, b"ghi").unwrap();
        assert_eq!(disk.read(file, 4, 100).unwrap().into_bytes(), "efghi");
        disk.truncate(file, 7).unwrap();
        disk.truncate(file, 5).unwrap();
        disk.append_bytes(file, b"x").unwrap();
        let large = Bytes::from(vec![7; BUFFER_BYTES]);
        let at = disk.append(file, &[Piece::Copied(b"yz"), Piece::Shared(&large)]).unwrap();
        assert_eq!((at, &on_disk()[..8], on_disk().len()), (6, &b"abcdexyz"[..], 8 + BUFFER_BYTES));
    }

    #[test]
    fn a_second_opener_is_refused_and_a_copy_has_no_directory() {
        let scratch = Scratch::new("lock");
        let disk = DirectoryDisk::open(&scratch.0).unwrap();
        let second = DirectoryDisk::open(&scratch.0).unwrap_err();
        assert!(matches!(second, DiskError::Locked { .. }), "{second}");
        let copied = disk.clone().create("a").unwrap_err().to_string();
        assert_eq!(copied, "a: a copy of a cluster has no directory at position 0");
        drop(disk);
        DirectoryDisk::open(&scratch.0).unwrap();
    }

    #[test]
    fn more_files_than_may_be_open() {
        let scratch = Scratch::new("many");
        let mut disk = DirectoryDisk::open(&scratch.0).unwrap();
        let files: Vec<_> =
            (0..2 * MAX_OPEN_FILES).map(|i| disk.create(&format!("d/{i}")).unwrap()).collect();
        for (i, &file) in files.iter().enumerate() {
            disk.append_bytes(file, &[i as u8]).unwrap();
        }
        disk.hand_over().unwrap();
        assert!(disk.open_files <= MAX_OPEN_FILES);
        for (i, &file) in files.iter().enumerate() {
            assert_eq!(disk.read(file, 0, 9).unwrap().into_bytes(), [i as u8][..]);
        }
    }

    #[test]
    fn what_the_system_answers_has_a_name() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(failed("a", 7, &full), DiskError::Full { position: 7, .. }));
        let scratch = Scratch::new("errors");
        let mut disk = DirectoryDisk::open(&scratch.0).unwrap();
        disk.create("a").unwrap();
        assert!(matches!(disk.create("a"), Err(DiskError::AlreadyExists { .. })));
        assert!(matches!(disk.open("b"), Err(DiskError::NotFound { .. })));
        assert!(matches!(
            disk.create("a/b"),
            Err(DiskError::AlreadyExists { .. } | DiskError::Io { .. })
        ));
    }
}

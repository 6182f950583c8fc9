//! A disk in memory, cheap to clone.
//!
//! A clone shares every file with its original; a file is copied, as a list of references, when
//! one of the two writes to it. So a clone costs one reference count per file, and the first write
//! after it a little more.
//!
//! # Simplifications versus Kafka
//!
//! Everything written is durable at once: [`sync`](Disk::sync) has nothing to do.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::disk::{Disk, FileId, Piece};
use super::error::DiskError;
use super::memory_file::MemoryFile;
use crate::types::Rope;

/// A disk in memory.
///
/// Pieces larger than 1 KiB are kept and returned as the very `Bytes` that were appended, smaller
/// ones are copied. An empty file holds no memory beyond its name.
#[derive(Clone, Debug)]
pub struct MemoryDisk {
    /// Which file has which name. Shared between clones, since names change seldom.
    names: Arc<BTreeMap<Arc<str>, FileId>>,
    /// The files by id; the place of a removed file stays empty.
    files: Vec<FileSlot>,
    bytes: u64,
    limit: u64,
}

#[derive(Clone, Debug)]
enum FileSlot {
    Removed,
    Empty,
    Written(Arc<MemoryFile>),
}

impl FileSlot {
    fn len(&self) -> u64 {
        match self {
            FileSlot::Removed | FileSlot::Empty => 0,
            FileSlot::Written(file) => file.len(),
        }
    }
}

impl MemoryDisk {
    /// An empty disk without a limit.
    #[must_use]
    pub fn new() -> Self {
        MemoryDisk::with_limit(u64::MAX)
    }

    /// An empty disk whose files hold at most `bytes` together; an append beyond that fails with
    /// [`DiskError::Full`] and writes nothing.
    #[must_use]
    pub fn with_limit(bytes: u64) -> Self {
        MemoryDisk { names: Arc::default(), files: Vec::new(), bytes: 0, limit: bytes }
    }

    /// From now on the files may take so many bytes together; those that take more keep them.
    pub fn set_limit(&mut self, bytes: u64) {
        self.limit = bytes;
    }

    /// Removes every file. No later one gets an id that one of them had.
    pub(super) fn clear(&mut self) {
        self.names = Arc::default();
        self.files.fill(FileSlot::Removed);
        self.bytes = 0;
    }

    /// The length of all files together, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many files there are.
    #[must_use]
    pub fn file_count(&self) -> usize {
        self.names.len()
    }

    /// The path of a file, for an error.
    fn path(&self, file: FileId) -> String {
        let name = self.names.iter().find(|(_, id)| **id == file);
        name.map_or_else(|| format!("removed file {}", file.0), |(path, _)| path.to_string())
    }

    #[cold]
    fn not_found(&self, file: FileId) -> DiskError {
        DiskError::NotFound { path: self.path(file) }
    }

    fn slot(&self, file: FileId) -> Result<&FileSlot, DiskError> {
        match self.files.get(file.0 as usize) {
            None | Some(FileSlot::Removed) => Err(self.not_found(file)),
            Some(slot) => Ok(slot),
        }
    }

    /// The file's contents and length, once `position` is known to lie within it. An empty file
    /// has no contents.
    fn within(&self, file: FileId, position: u64) -> Result<(Option<&MemoryFile>, u64), DiskError> {
        let slot = self.slot(file)?;
        let len = slot.len();
        if position > len {
            return Err(DiskError::OutOfRange { path: self.path(file), position, len });
        }
        match slot {
            FileSlot::Written(contents) => Ok((Some(contents), len)),
            FileSlot::Removed | FileSlot::Empty => Ok((None, len)),
        }
    }

    /// The files in a directory, those in directories within it among them.
    fn below(&self, dir: &str) -> Vec<(Arc<str>, FileId)> {
        let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let within = self.names.range::<str, _>(from).map(|(path, &file)| (path.clone(), file));
        within.take_while(|(path, _)| path.starts_with(&prefix)).collect()
    }

    /// Frees a file's place, whose name is gone already.
    fn release(&mut self, file: FileId) {
        let slot = &mut self.files[file.0 as usize];
        self.bytes -= slot.len();
        *slot = FileSlot::Removed;
    }
}

impl Default for MemoryDisk {
    fn default() -> Self {
        MemoryDisk::new()
    }
}

impl Disk for MemoryDisk {
    fn create(&mut self, path: &str) -> Result<FileId, DiskError> {
        if self.names.contains_key(path) {
            return Err(DiskError::AlreadyExists { path: path.to_owned() });
        }
        let file = FileId(u32::try_from(self.files.len()).expect("fewer than 2^32 files"));
        Arc::make_mut(&mut self.names).insert(path.into(), file);
        self.files.push(FileSlot::Empty);
        Ok(file)
    }

    fn open(&mut self, path: &str) -> Result<FileId, DiskError> {
        let file = self.names.get(path).copied();
        file.ok_or_else(|| DiskError::NotFound { path: path.to_owned() })
    }

    fn append(&mut self, file: FileId, pieces: &[Piece<'_>]) -> Result<u64, DiskError> {
        let position = self.slot(file)?.len();
        let added: usize = pieces.iter().map(|piece| piece.as_slice().len()).sum();
        if added == 0 {
            return Ok(position);
        }
        let bytes = self.bytes.saturating_add(added as u64);
        if bytes > self.limit {
            return Err(DiskError::Full { path: self.path(file), position });
        }
        self.bytes = bytes;
        let slot = &mut self.files[file.0 as usize];
        if let FileSlot::Written(contents) = slot {
            Arc::make_mut(contents).append(pieces);
        } else {
            let mut contents = MemoryFile::default();
            contents.append(pieces);
            *slot = FileSlot::Written(Arc::new(contents));
        }
        Ok(position)
    }

    fn read(&self, file: FileId, position: u64, len: usize) -> Result<Rope, DiskError> {
        let (contents, file_len) = self.within(file, position)?;
        let end = position.saturating_add(len as u64).min(file_len);
        Ok(contents.map_or_else(Rope::new, |contents| contents.read(position, end)))
    }

    fn read_into(
        &self,
        file: FileId,
        position: u64,
        buffer: &mut [u8],
    ) -> Result<usize, DiskError> {
        let (contents, file_len) = self.within(file, position)?;
        let len = buffer.len().min((file_len - position) as usize);
        if let Some(contents) = contents {
            contents.read_into(position, &mut buffer[..len]);
        }
        Ok(len)
    }

    fn len(&self, file: FileId) -> Result<u64, DiskError> {
        self.slot(file).map(FileSlot::len)
    }

    fn truncate(&mut self, file: FileId, len: u64) -> Result<(), DiskError> {
        let (_, file_len) = self.within(file, len)?;
        self.bytes -= file_len - len;
        let slot = &mut self.files[file.0 as usize];
        if len == 0 {
            *slot = FileSlot::Empty;
        } else if let FileSlot::Written(contents) = slot {
            Arc::make_mut(contents).truncate(len);
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        let file = self.open(from)?;
        let names = Arc::make_mut(&mut self.names);
        names.remove(from);
        if let Some(replaced) = names.insert(to.into(), file) {
            self.release(replaced);
        }
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        let file = self.open(path)?;
        Arc::make_mut(&mut self.names).remove(path);
        self.release(file);
        Ok(())
    }

    fn rename_dir(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        let moved = self.below(from);
        if moved.is_empty() {
            return Err(DiskError::NotFound { path: from.to_owned() });
        }
        if !self.below(to).is_empty() || self.names.contains_key(to) {
            return Err(DiskError::AlreadyExists { path: to.to_owned() });
        }
        let names = Arc::make_mut(&mut self.names);
        for (path, file) in moved {
            names.remove(&path);
            names.insert(format!("{to}{}", &path[from.len()..]).into(), file);
        }
        Ok(())
    }

    fn remove_dir(&mut self, dir: &str) -> Result<(), DiskError> {
        let gone = self.below(dir);
        if gone.is_empty() {
            return Err(DiskError::NotFound { path: dir.to_owned() });
        }
        for (path, _) in gone {
            self.remove(&path)?;
        }
        Ok(())
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, DiskError> {
        let prefix = if dir.is_empty() { 0 } else { dir.len() + 1 };
        let name = |(path, _): (Arc<str>, FileId)| {
            let rest = &path[prefix..];
            rest.split('/').next().unwrap_or(rest).to_owned()
        };
        let mut names: Vec<String> = self.below(dir).into_iter().map(name).collect();
        // `a.log` sorts between `a` and `a/b`, so the paths' order is not quite the names' order.
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn sync(&mut self, file: FileId) -> Result<(), DiskError> {
        self.slot(file).map(|_| ())
    }

    fn sync_dir(&mut self, _dir: &str) -> Result<(), DiskError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_large_piece_comes_back_as_the_very_same_bytes() {
        let mut disk = MemoryDisk::new();
        let file = disk.create("orders-0/0.log").unwrap();
        let body = Bytes::from(vec![7; 16 * 1024]);
        for _ in 0..3 {
            disk.append(file, &[Piece::Copied(&[1; 16]), Piece::Shared(&body)]).unwrap();
        }
        let rope = disk.read(file, 0, usize::MAX).unwrap();
        let pieces: Vec<&Bytes> = rope.pieces().collect();
        assert_eq!(pieces.len(), 6);
        for pair in pieces.chunks(2) {
            assert_eq!(pair[0], &[1; 16][..]);
            assert_eq!(pair[1].as_ptr(), body.as_ptr());
        }
        let middle = disk.read(file, 20, 100).unwrap().into_bytes();
        assert_eq!(middle.as_ptr(), body[4..].as_ptr());
    }

    #[test]
    fn small_pieces_read_as_one() {
        let mut disk = MemoryDisk::new();
        let file = disk.create("a").unwrap();
        for _ in 0..4 {
            disk.append(file, &[Piece::Copied(&[1; 16]), Piece::Shared(&Bytes::from(vec![2; 40]))])
                .unwrap();
        }
        assert_eq!(disk.read(file, 0, usize::MAX).unwrap().pieces().len(), 1);
    }

    #[test]
    fn a_directory_is_renamed_and_removed_as_a_whole() {
        let mut disk = MemoryDisk::new();
        let file = disk.create("orders-0/0.log").unwrap();
        disk.create("orders-0/0.index").unwrap();
        disk.create("orders-00").unwrap();
        disk.append_bytes(file, b"abc").unwrap();
        disk.rename_dir("orders-0", "orders-0.x-delete").unwrap();
        assert_eq!(disk.list("").unwrap(), ["orders-0.x-delete", "orders-00"]);
        assert_eq!(disk.open("orders-0.x-delete/0.log").unwrap(), file);
        let missing = DiskError::NotFound { path: "orders-0".to_owned() };
        assert_eq!(disk.rename_dir("orders-0", "a").unwrap_err(), missing);
        assert_eq!(disk.remove_dir("orders-0").unwrap_err(), missing);
        let taken = disk.rename_dir("orders-0.x-delete", "orders-00").unwrap_err();
        assert_eq!(taken, DiskError::AlreadyExists { path: "orders-00".to_owned() });
        disk.remove_dir("orders-0.x-delete").unwrap();
        assert_eq!((disk.list("").unwrap(), disk.bytes()), (vec!["orders-00".to_owned()], 0));
    }

    #[test]
    fn names() {
        let mut disk = MemoryDisk::new();
        let file = disk.create("a/2").unwrap();
        disk.append_bytes(file, b"two").unwrap();
        for path in ["a/1", "a/b/c", "a/b/d", "a.log", "b/1"] {
            disk.create(path).unwrap();
        }
        assert_eq!(disk.list("a").unwrap(), ["1", "2", "b"]);
        assert_eq!(disk.list("").unwrap(), ["a", "a.log", "b"]);
        assert_eq!(disk.list("none").unwrap(), Vec::<String>::new());
        assert!(matches!(disk.create("a/2"), Err(DiskError::AlreadyExists { .. })));

        disk.rename("a/2", "a/1").unwrap();
        assert_eq!((disk.open("a/1").unwrap(), disk.len(file).unwrap()), (file, 3));
        assert_eq!(disk.bytes(), 3);
        disk.remove("a/1").unwrap();
        assert_eq!(disk.bytes(), 0);
        for error in [disk.len(file).unwrap_err(), disk.open("a/2").unwrap_err()] {
            assert!(matches!(error, DiskError::NotFound { .. }), "{error}");
        }
    }

    #[test]
    fn a_full_disk_writes_nothing() {
        let mut disk = MemoryDisk::with_limit(5);
        let file = disk.create("a").unwrap();
        disk.append_bytes(file, b"abc").unwrap();
        let full = DiskError::Full { path: "a".into(), position: 3 };
        assert_eq!(disk.append_bytes(file, b"def"), Err(full));
        disk.truncate(file, 1).unwrap();
        disk.append_bytes(file, b"defg").unwrap();
        assert_eq!(disk.read(file, 0, 9).unwrap().into_bytes(), "adefg");
        let range = DiskError::OutOfRange { path: "a".into(), position: 6, len: 5 };
        assert_eq!(disk.read(file, 6, 1).unwrap_err(), range);
        assert_eq!(disk.truncate(file, 6), Err(range));
    }

    #[derive(Clone, Debug)]
    enum Op {
        Append(Vec<usize>),
        Truncate(usize),
        Swap,
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let len = prop_oneof![8 => 0..60_usize, 2 => 1000..1050_usize, 1 => 9000..9010_usize];
        let op = prop_oneof![
            12 => prop::collection::vec(len, 1..4).prop_map(Op::Append),
            2 => any::<prop::sample::Index>().prop_map(|index| Op::Truncate(index.index(101))),
            1 => Just(Op::Swap),
        ];
        prop::collection::vec(op, 1..400)
    }

    fn pattern(len: usize, seed: usize) -> Bytes {
        (0..len).map(|i| (i * 31 + seed * 7) as u8).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Two clones that are written to in turn each behave as a vector of their own.
        #[test]
        fn clones_are_independent_files(
            ops in ops(),
            cuts in prop::collection::vec((0..=100_usize, 0..=100_usize), 20),
        ) {
            let mut disk = MemoryDisk::new();
            let file = disk.create("a").unwrap();
            let mut model: Vec<u8> = Vec::new();
            let (mut other_disk, mut other_model) = (disk.clone(), model.clone());
            for (seed, op) in ops.iter().enumerate() {
                match op {
                    Op::Append(lens) => {
                        let pieces: Vec<Bytes> =
                            lens.iter().map(|len| pattern(*len, seed)).collect();
                        let shared: Vec<Piece<'_>> = pieces.iter().map(Piece::Shared).collect();
                        let position = disk.append(file, &shared).unwrap();
                        prop_assert_eq!(position, model.len() as u64);
                        model.extend(pieces.concat());
                    }
                    Op::Truncate(percent) => {
                        model.truncate(model.len() * percent / 100);
                        disk.truncate(file, model.len() as u64).unwrap();
                    }
                    Op::Swap => {
                        (other_disk, other_model) = (disk.clone(), model.clone());
                        std::mem::swap(&mut disk, &mut other_disk);
                    }
                }
            }
            for (disk, model) in [(&mut disk, &model), (&mut other_disk, &other_model)] {
                prop_assert_eq!(disk.bytes(), model.len() as u64);
                for (from, len) in &cuts {
                    let from = model.len() * from / 100;
                    let len = model.len() * len / 100;
                    let expected = &model[from..model.len().min(from + len)];
                    let read = disk.read(file, from as u64, len).unwrap().into_bytes();
                    prop_assert_eq!(&read[..], expected);
                    let mut buffer = vec![0; len];
                    let count = disk.read_into(file, from as u64, &mut buffer).unwrap();
                    prop_assert_eq!(&buffer[..count], expected);
                }
            }
        }
    }
}

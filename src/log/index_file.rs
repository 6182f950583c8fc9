//! A file of sparse index entries, whatever they are: sorted, of one size, only ever appended to.
//!
//! The index of a segment that takes records is held in memory, and its file is written along with
//! it. The index of a segment that was closed before the log was opened stays in its file, and
//! lookups read from there: so a log opens in the same time however much it holds.

use super::append_vec::AppendVec;
use crate::storage::{Disk, DiskError, FileId};

/// How many entries are read from a file at once.
const ENTRIES_PER_READ: usize = 4096;

/// The largest entry of any index, in bytes.
const LARGEST_ENTRY: usize = 16;

/// An entry and its bytes.
pub(super) trait Entry: Copy {
    /// The size in bytes, at most [`LARGEST_ENTRY`].
    const SIZE: usize;

    fn encode(self, out: &mut [u8]);

    /// Reads an entry from exactly [`SIZE`](Entry::SIZE) bytes.
    fn decode(bytes: &[u8]) -> Self;
}

/// The entries of one index.
#[derive(Clone, Debug)]
pub(super) struct IndexFile<E> {
    file: FileId,
    held: Held<E>,
}

#[derive(Clone, Debug)]
enum Held<E> {
    InMemory(AppendVec<E>),
    OnDisk { count: usize, last: Option<E> },
}

impl<E: Entry> IndexFile<E> {
    /// An index without entries; `file` is empty.
    pub fn new(file: FileId) -> Self {
        IndexFile { file, held: Held::InMemory(AppendVec::default()) }
    }

    /// The index that a file holds. Bytes behind its last whole entry do not count.
    pub fn open(disk: &dyn Disk, file: FileId) -> Result<Self, DiskError> {
        let count = disk.len(file)? as usize / E::SIZE;
        let last = match count.checked_sub(1) {
            Some(last) => read_one(disk, file, last)?,
            None => None,
        };
        Ok(IndexFile { file, held: Held::OnDisk { count, last } })
    }

    pub fn len(&self) -> usize {
        match &self.held {
            Held::InMemory(entries) => entries.len(),
            Held::OnDisk { count, .. } => *count,
        }
    }

    pub fn last(&self) -> Option<E> {
        match &self.held {
            Held::InMemory(entries) => entries.last(),
            Held::OnDisk { last, .. } => *last,
        }
    }

    /// The entry at a place; `None` behind the last one.
    pub fn get(&self, disk: &dyn Disk, place: usize) -> Result<Option<E>, DiskError> {
        match &self.held {
            Held::InMemory(entries) => Ok(entries.get(place)),
            Held::OnDisk { count, .. } if place < *count => read_one(disk, self.file, place),
            Held::OnDisk { .. } => Ok(None),
        }
    }

    /// All entries, in order.
    pub fn all(&self, disk: &dyn Disk) -> Result<Vec<E>, DiskError> {
        match &self.held {
            Held::InMemory(entries) => Ok(entries.iter().collect()),
            Held::OnDisk { count, .. } => read_all(disk, self.file, *count),
        }
    }

    /// How many entries at the front satisfy `before`, which holds for none after the first for
    /// which it does not hold.
    fn partition_point(
        &self,
        disk: &dyn Disk,
        before: impl Fn(&E) -> bool,
    ) -> Result<usize, DiskError> {
        let (mut low, mut high) = match &self.held {
            Held::InMemory(entries) => return Ok(entries.partition_point(before)),
            Held::OnDisk { count, .. } => (0, *count),
        };
        while low < high {
            let middle = low + (high - low) / 2;
            match read_one(disk, self.file, middle)? {
                Some(entry) if before(&entry) => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// The last entry that satisfies `before`, which holds as for
    /// [`partition_point`](IndexFile::partition_point).
    pub fn floor(
        &self,
        disk: &dyn Disk,
        before: impl Fn(&E) -> bool,
    ) -> Result<Option<E>, DiskError> {
        if let Held::InMemory(entries) = &self.held {
            return Ok(entries.floor(before));
        }
        match self.partition_point(disk, before)?.checked_sub(1) {
            Some(place) => self.get(disk, place),
            None => Ok(None),
        }
    }

    /// Takes the entries into memory, so that more can follow.
    pub fn load(&mut self, disk: &dyn Disk) -> Result<(), DiskError> {
        if let Held::OnDisk { count, .. } = self.held {
            let mut entries = AppendVec::default();
            for entry in read_all(disk, self.file, count)? {
                entries.push(entry);
            }
            self.held = Held::InMemory(entries);
        }
        Ok(())
    }

    /// Writes an entry to the file. It counts from [`push`](IndexFile::push) on.
    pub fn write(&self, disk: &mut dyn Disk, entry: E) -> Result<(), DiskError> {
        let mut bytes = [0; LARGEST_ENTRY];
        entry.encode(&mut bytes[..E::SIZE]);
        disk.append_bytes(self.file, &bytes[..E::SIZE]).map(drop)
    }

    /// Takes an entry that has been written.
    ///
    /// # Panics
    /// When the entries are not in memory: only an active segment's grow.
    pub fn push(&mut self, entry: E) {
        match &mut self.held {
            Held::InMemory(entries) => entries.push(entry),
            Held::OnDisk { .. } => panic!("an index that lies on the disk does not grow"),
        }
    }

    /// Drops the entries that do not satisfy `kept`, which holds for none after the first for
    /// which it does not hold. The file is cut afterwards, by [`cut_tail`](IndexFile::cut_tail).
    pub fn retain_front(
        &mut self,
        disk: &dyn Disk,
        kept: impl Fn(&E) -> bool,
    ) -> Result<(), DiskError> {
        self.load(disk)?;
        if let Held::InMemory(entries) = &mut self.held {
            entries.truncate(entries.partition_point(kept));
        }
        Ok(())
    }

    /// Cuts what lies in the file behind the last entry.
    pub fn cut_tail(&self, disk: &mut dyn Disk) -> Result<(), DiskError> {
        disk.truncate(self.file, (self.len() * E::SIZE) as u64)
    }

    /// Makes the file durable.
    pub fn sync(&self, disk: &mut dyn Disk) -> Result<(), DiskError> {
        disk.sync(self.file)
    }

    /// Forgets every entry, and empties the file.
    pub fn clear(&mut self, disk: &mut dyn Disk) -> Result<(), DiskError> {
        self.held = Held::InMemory(AppendVec::default());
        disk.truncate(self.file, 0)
    }
}

fn read_one<E: Entry>(disk: &dyn Disk, file: FileId, place: usize) -> Result<Option<E>, DiskError> {
    let mut bytes = [0; LARGEST_ENTRY];
    let bytes = &mut bytes[..E::SIZE];
    let read = disk.read_into(file, (place * E::SIZE) as u64, bytes)?;
    Ok((read == E::SIZE).then(|| E::decode(bytes)))
}

fn read_all<E: Entry>(disk: &dyn Disk, file: FileId, count: usize) -> Result<Vec<E>, DiskError> {
    let mut entries = Vec::with_capacity(count);
    let mut buffer = vec![0; ENTRIES_PER_READ.min(count) * E::SIZE];
    while entries.len() < count {
        let wanted = buffer.len().min((count - entries.len()) * E::SIZE);
        let position = (entries.len() * E::SIZE) as u64;
        let read = disk.read_into(file, position, &mut buffer[..wanted])?;
        if read < E::SIZE {
            break;
        }
        entries.extend(buffer[..read].chunks_exact(E::SIZE).map(E::decode));
    }
    Ok(entries)
}

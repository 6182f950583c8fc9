//! What of a disk would be left if the power failed now.
//!
//! - **Bytes of a file** are durable once the file was synced. Of writes since then any subset
//!   survives: each is lost, whole, or torn at any byte, independently of the others. A hole reads
//!   as zeros; a file is as long as what survived of it. A truncation is lost or not, too.
//! - **Entries of a directory** (that there is a file or directory of a name) are durable once the
//!   directory was synced. Of changes since then a prefix survives: file systems keep a journal of
//!   them. A rename is one change.
//! - Bytes and entries are independent: a file may be there without its bytes, and its bytes be
//!   durable without anything that names it.
//! - After a sync that failed, the writes that it should have made durable count as written: a later
//!   sync does not write them again, as on Linux.

use std::collections::BTreeMap;

use crate::random::Random;

/// A directory, whatever it is called.
type DirId = u64;

/// A file, whatever it is called.
type Inode = u64;

const ROOT: DirId = 0;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(Inode),
    Dir(DirId),
}

/// A change of a directory's entries.
#[derive(Clone, Debug)]
enum Change {
    Link(String, Node),
    Unlink(String),
    /// From, to, and what is renamed.
    Rename(String, String, Node),
}

/// A change of a file's bytes that is not durable.
#[derive(Clone, Debug)]
struct Write {
    change: ByteChange,
    /// A failed sync has passed over it.
    dropped: bool,
}

#[derive(Clone, Debug)]
enum ByteChange {
    Bytes { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

#[derive(Clone, Debug, Default)]
struct FileImage {
    durable: Vec<u8>,
    unsynced: Vec<Write>,
}

#[derive(Clone, Debug, Default)]
struct DirImage {
    durable: BTreeMap<String, Node>,
    live: BTreeMap<String, Node>,
    unsynced: Vec<Change>,
}

/// The durable part of a disk, and what is not durable yet.
#[derive(Clone, Debug)]
pub(super) struct DurableImage {
    files: BTreeMap<Inode, FileImage>,
    dirs: BTreeMap<DirId, DirImage>,
    next: u64,
}

impl DurableImage {
    /// An empty disk.
    pub fn new() -> Self {
        let dirs = BTreeMap::from([(ROOT, DirImage::default())]);
        DurableImage { files: BTreeMap::new(), dirs, next: 1 }
    }

    /// The directory of a path, made if there is none, and the last part of the path.
    fn dir_of<'p>(&mut self, path: &'p str) -> (DirId, &'p str) {
        let (mut dir, mut rest) = (ROOT, path);
        while let Some((name, below)) = rest.split_once('/') {
            dir = self.enter(dir, name);
            rest = below;
        }
        (dir, rest)
    }

    fn enter(&mut self, dir: DirId, name: &str) -> DirId {
        if let Some(Node::Dir(found)) = self.dirs.get(&dir).and_then(|dir| dir.live.get(name)) {
            return *found;
        }
        let made = self.next_id();
        self.dirs.insert(made, DirImage::default());
        self.change(dir, Change::Link(name.to_owned(), Node::Dir(made)));
        made
    }

    fn next_id(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn change(&mut self, dir: DirId, change: Change) {
        if let Some(dir) = self.dirs.get_mut(&dir) {
            apply(&mut dir.live, &change);
            dir.unsynced.push(change);
        }
    }

    fn file(&mut self, path: &str) -> Option<&mut FileImage> {
        let (dir, name) = self.dir_of(path);
        match self.dirs.get(&dir)?.live.get(name)? {
            Node::File(inode) => self.files.get_mut(inode),
            Node::Dir(_) => None,
        }
    }

    pub fn create(&mut self, path: &str) {
        let inode = self.next_id();
        self.files.insert(inode, FileImage::default());
        let (dir, name) = self.dir_of(path);
        self.change(dir, Change::Link(name.to_owned(), Node::File(inode)));
    }

    pub fn write(&mut self, path: &str, at: u64, bytes: Vec<u8>) {
        if let Some(file) = self.file(path) {
            let change = ByteChange::Bytes { at: at as usize, bytes };
            file.unsynced.push(Write { change, dropped: false });
        }
    }

    pub fn truncate(&mut self, path: &str, len: u64) {
        if let Some(file) = self.file(path) {
            let change = ByteChange::Truncate(len as usize);
            file.unsynced.push(Write { change, dropped: false });
        }
    }

    /// A file or a directory takes another name in the same directory.
    pub fn rename(&mut self, from: &str, to: &str) {
        let ((dir, old), (_, new)) = (self.dir_of(from), self.dir_of(to));
        if let Some(&node) = self.dirs.get(&dir).and_then(|dir| dir.live.get(old)) {
            self.change(dir, Change::Rename(old.to_owned(), new.to_owned(), node));
        }
    }

    /// A file or a directory is gone.
    pub fn remove(&mut self, path: &str) {
        let (dir, name) = self.dir_of(path);
        self.change(dir, Change::Unlink(name.to_owned()));
    }

    pub fn sync(&mut self, path: &str) {
        if let Some(file) = self.file(path) {
            for write in std::mem::take(&mut file.unsynced) {
                if write.dropped {
                    file.unsynced.push(write);
                } else {
                    carry_out(&mut file.durable, &write.change, usize::MAX);
                }
            }
        }
    }

    /// A sync that failed: the next one does not look at these writes any more.
    pub fn fail_sync(&mut self, path: &str) {
        if let Some(file) = self.file(path) {
            file.unsynced.iter_mut().for_each(|write| write.dropped = true);
        }
    }

    pub fn sync_dir(&mut self, path: &str) {
        let dir = if path.is_empty() { ROOT } else { self.dir_of(&format!("{path}/")).0 };
        if let Some(dir) = self.dirs.get_mut(&dir) {
            dir.durable = dir.live.clone();
            dir.unsynced.clear();
        }
    }

    pub fn sync_all_dirs(&mut self) {
        for dir in self.dirs.values_mut() {
            dir.durable = dir.live.clone();
            dir.unsynced.clear();
        }
    }

    /// Turns a bit of a file over, in what is durable of it and in what is not.
    pub fn flip_bit(&mut self, path: &str, position: u64, bit: u8) {
        let Some(file) = self.file(path) else { return };
        let place = position as usize;
        if let Some(byte) = file.durable.get_mut(place) {
            *byte ^= 1 << bit;
        }
        for write in &mut file.unsynced {
            if let ByteChange::Bytes { at, bytes } = &mut write.change
                && let Some(byte) = place.checked_sub(*at).and_then(|i| bytes.get_mut(i))
            {
                *byte ^= 1 << bit;
            }
        }
    }

    /// The files that are left when the power fails, by path, with their bytes.
    pub fn survivors(&self, random: &mut Random) -> BTreeMap<String, Vec<u8>> {
        let mut survivors = BTreeMap::new();
        self.survive(ROOT, "", random, &mut survivors);
        survivors
    }

    fn survive(
        &self,
        dir: DirId,
        prefix: &str,
        random: &mut Random,
        survivors: &mut BTreeMap<String, Vec<u8>>,
    ) {
        let Some(image) = self.dirs.get(&dir) else { return };
        let mut entries = image.durable.clone();
        let kept = random.below(image.unsynced.len() as u64 + 1) as usize;
        for change in &image.unsynced[..kept] {
            apply(&mut entries, change);
        }
        for (name, node) in entries {
            let path = format!("{prefix}{name}");
            match node {
                Node::Dir(below) => self.survive(below, &format!("{path}/"), random, survivors),
                Node::File(inode) => {
                    let bytes = self.files.get(&inode).map(|file| file.survive(random));
                    survivors.insert(path, bytes.unwrap_or_default());
                }
            }
        }
    }
}

impl FileImage {
    fn survive(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for write in &self.unsynced {
            let whole = match &write.change {
                ByteChange::Bytes { bytes, .. } => bytes.len(),
                ByteChange::Truncate(_) => 0,
            };
            match random.below(4) {
                0 => {}
                1 if whole > 0 => {
                    let torn = random.below(whole as u64) as usize;
                    carry_out(&mut bytes, &write.change, torn);
                }
                _ => carry_out(&mut bytes, &write.change, whole),
            }
        }
        bytes
    }
}

fn apply(entries: &mut BTreeMap<String, Node>, change: &Change) {
    match change {
        Change::Link(name, node) => {
            entries.insert(name.clone(), *node);
        }
        Change::Unlink(name) => {
            entries.remove(name);
        }
        Change::Rename(from, to, node) => {
            entries.remove(from);
            entries.insert(to.clone(), *node);
        }
    }
}

/// Changes bytes, as far as a write got.
fn carry_out(bytes: &mut Vec<u8>, change: &ByteChange, torn_at: usize) {
    match change {
        ByteChange::Truncate(len) => bytes.truncate(*len),
        ByteChange::Bytes { at, bytes: written } => {
            let written = &written[..torn_at.min(written.len())];
            if written.is_empty() {
                return;
            }
            let end = at + written.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*at..end].copy_from_slice(written);
        }
    }
}

//! Where a log's files lie: the [`Disk`] trait, and disks in memory, in a directory, and one that
//! fails on purpose.
//!
//! The layers above name files by relative paths (`orders-0/00000000000000000000.log`), append to
//! them, read ranges and cut tails off. They own no disk: each call gets one as an argument, so
//! that the same log runs in memory, in a directory or on a disk that fails on purpose.
//!
//! Invariants that every disk keeps:
//!
//! - A file only grows at its end and shrinks by [`Disk::truncate`]; no byte is overwritten.
//! - A [`FileId`] stays valid when its file is renamed, and is never given out twice.
//! - What [`Disk::list`] returns is sorted.
//!
//! # Simplifications versus Kafka
//!
//! Files are not memory-mapped and index files are not preallocated: a file is as long as what it
//! holds. A directory exists as long as a file lies in it.

mod broker_disk;
mod directory;
mod disk;
mod durable_image;
mod error;
mod faulty;
mod memory;
mod memory_file;
mod whole_file;

pub use broker_disk::BrokerDisk;
pub use directory::{BUFFER_BYTES, DirectoryDisk, MAX_OPEN_FILES};
pub use disk::{Disk, FileId, Piece};
pub use error::DiskError;
pub use faulty::{DiskFaults, FaultyDisk};
pub use memory::MemoryDisk;
pub use whole_file::{read_file, replace_file};

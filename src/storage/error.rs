//! What a disk can refuse, and where.

use std::fmt;

/// A disk's fault, or a call that does not fit what the disk holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// There is no file of this name, or the file behind an id has been removed.
    NotFound {
        /// The file's path.
        path: String,
    },
    /// A file of this name exists already.
    AlreadyExists {
        /// The file's path.
        path: String,
    },
    /// There is no room for the bytes.
    Full {
        /// The file's path.
        path: String,
        /// Where the bytes should have begun, in bytes from the file's start.
        position: u64,
    },
    /// The range does not lie within the file.
    OutOfRange {
        /// The file's path.
        path: String,
        /// Where the range begins, in bytes from the file's start.
        position: u64,
        /// The file's length in bytes.
        len: u64,
    },
    /// Another disk has the directory open, in this process or another one.
    Locked {
        /// The path of the lock.
        path: String,
    },
    /// The medium failed.
    Io {
        /// The file's path.
        path: String,
        /// Where the operation began, in bytes from the file's start.
        position: u64,
        /// What the operating system said.
        message: String,
    },
}

impl DiskError {
    /// The path of the file that the operation was about.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            DiskError::NotFound { path }
            | DiskError::AlreadyExists { path }
            | DiskError::Locked { path }
            | DiskError::Full { path, .. }
            | DiskError::OutOfRange { path, .. }
            | DiskError::Io { path, .. } => path,
        }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskError::NotFound { path } => write!(f, "{path}: no such file"),
            DiskError::AlreadyExists { path } => write!(f, "{path}: exists already"),
            DiskError::Locked { path } => write!(f, "{path}: is locked: the directory is in use"),
            DiskError::Full { path, position } => {
                write!(f, "{path}: the disk is full at position {position}")
            }
            DiskError::OutOfRange { path, position, len } => {
                write!(f, "{path}: position {position} is out of range, the file has {len} bytes")
            }
            DiskError::Io { path, position, message } => {
                write!(f, "{path}: {message} at position {position}")
            }
        }
    }
}

impl std::error::Error for DiskError {}

//! What is wrong with a small file.

use std::fmt;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub fault: FileFault,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileFault {
    /// It is no UTF-8.
    NotText,
    /// The file ends here, and has not said this.
    Missing(&'static str),
    /// It is not what should stand there.
    Expected(&'static str),
    /// A version that is not known.
    Version(i64),
}

impl FileError {
    pub(super) fn expected(line: usize, what: &'static str) -> Self {
        FileError { line, fault: FileFault::Expected(what) }
    }

    pub(super) fn missing(line: usize, what: &'static str) -> Self {
        FileError { line, fault: FileFault::Missing(what) }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.fault {
            FileFault::NotText => f.write_str("no UTF-8"),
            FileFault::Missing(what) => write!(f, "{what} is missing"),
            FileFault::Expected(what) => write!(f, "no {what}"),
            FileFault::Version(version) => write!(f, "version {version} is not known"),
        }
    }
}

impl std::error::Error for FileError {}

/// The bytes as text.
pub(super) fn text(bytes: &[u8]) -> Result<&str, FileError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        FileError { line, fault: FileFault::NotText }
    })
}

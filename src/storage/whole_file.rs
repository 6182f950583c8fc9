//! Small files that are read and replaced as a whole: checkpoints and properties.

use bytes::Bytes;

use super::disk::Disk;
use super::error::DiskError;

/// What a file holds; `None` when there is none.
///
/// # Errors
/// What the disk answered.
pub fn read_file(disk: &mut dyn Disk, path: &str) -> Result<Option<Bytes>, DiskError> {
    match disk.open(path) {
        Ok(file) => Ok(Some(disk.read(file, 0, usize::MAX)?.into_bytes())),
        Err(DiskError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts a file in the place of one that there may be, so that after a crash either the old contents
/// are there or the new ones, whole: they are written beside it under the name `….tmp` and made
/// durable, and take its name then.
///
/// # Errors
/// What the disk answered; the old contents are still there, unless only the directory could not
/// be made durable.
pub fn replace_file(disk: &mut dyn Disk, path: &str, contents: &[u8]) -> Result<(), DiskError> {
    let written = format!("{path}.tmp");
    match disk.remove(&written) {
        Ok(()) | Err(DiskError::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    let file = disk.create(&written)?;
    disk.append_bytes(file, contents)?;
    disk.sync(file)?;
    disk.rename(&written, path)?;
    disk.sync_dir(path.rsplit_once('/').map_or("", |(dir, _)| dir))
}

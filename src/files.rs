//! The one place that writes files: to a temporary neighbour first, then renamed, so that an earlier
//! result is never lost and nothing half-written is ever seen under the final name.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`: {source}; nothing was changed there", path.display())]
pub struct WriteError {
    /// The final name.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// A file that appears under its name only when `commit` is called; dropped before, it leaves no trace.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    temporary: tempfile::NamedTempFile,
    budget: Option<u64>,
}

impl AtomicFile {
    /// Opens the temporary neighbour, which shows at once whether the folder can be written to.
    /// Missing folders are made.
    ///
    /// # Errors
    /// `WriteError` when the folder cannot be made or written to, or `path` is a folder.
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let failed = |source| WriteError { path: path.to_owned(), source };
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if path.is_dir() {
            return Err(failed(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")));
        }
        fs::create_dir_all(folder).map_err(failed)?;
        let temporary = tempfile::Builder::new()
            .prefix(".tiebreak-")
            .suffix(".partial")
            .tempfile_in(folder)
            .map_err(failed)?;
        Ok(Self { path: path.to_owned(), temporary, budget: injected_budget() })
    }

    /// Makes the bytes durable and gives them their name.
    ///
    /// # Errors
    /// `WriteError` when the system refuses; the earlier file, if any, is then still there.
    pub fn commit(mut self) -> Result<(), WriteError> {
        let path = self.path.clone();
        let failed = |source| WriteError { path: path.clone(), source };
        self.flush().map_err(failed)?;
        self.temporary.as_file().sync_all().map_err(failed)?;
        set_ordinary_permissions(self.temporary.as_file()).map_err(failed)?;
        self.temporary.persist(&self.path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(left) = &mut self.budget {
            if *left < bytes.len() as u64 {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device (injected)"));
            }
            *left -= bytes.len() as u64;
        }
        self.temporary.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temporary.flush()
    }
}

/// Writes a whole file at once, atomically.
///
/// # Errors
/// `WriteError` as `AtomicFile` gives it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(|source| WriteError { path: path.to_owned(), source })?;
    file.commit()
}

/// A file could not be removed.
#[derive(Debug, thiserror::Error)]
#[error("cannot remove `{}`: {source}", path.display())]
pub struct RemoveError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Removes a file; one that is not there is no error.
///
/// # Errors
/// `RemoveError` when the system refuses.
pub fn remove(path: &Path) -> Result<(), RemoveError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(RemoveError { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Tests fill the disk by naming how many bytes each file may take.
fn injected_budget() -> Option<u64> {
    std::env::var("TIEBREAK_INJECT_DISK_FULL_AFTER").ok()?.parse().ok()
}

#[cfg(unix)]
fn set_ordinary_permissions(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // Temporary files are private; results are for everybody whom the folder admits.
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_ordinary_permissions(_: &fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_dropped_before_its_end_leaves_the_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.csv");
        write(&path, b"first").unwrap();
        let mut second = AtomicFile::create(&path).unwrap();
        second.write_all(b"second").unwrap();
        drop(second);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_not_there_is_removed_already_and_a_folder_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.csv");
        write(&path, b"x").unwrap();
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
        let message = remove(folder.path()).unwrap_err().to_string();
        assert!(message.starts_with("cannot remove `"), "{message}");
    }

    #[test]
    fn missing_folders_are_made_and_a_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("a/b/c.txt"), b"x").unwrap();
        assert!(write(&folder.path().join("a"), b"x").is_err());
    }
}

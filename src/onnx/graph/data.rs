use std::io::Write;
use std::path::{Path, PathBuf};

use super::GraphError;
use crate::checkpoint::files::GRAPH_DATA;
use crate::files::{AtomicFile, WriteError};

/// Tensors begin on pages, so that they can be mapped.
const ALIGNMENT: usize = 4096;

/// `model.onnx.data` while it grows: one tensor after the other, none kept in memory.
pub(super) struct DataFile {
    file: AtomicFile,
    path: PathBuf,
    length: usize,
}

impl DataFile {
    /// Opens the file in a model folder.
    pub(super) fn create(folder: &Path) -> Result<Self, GraphError> {
        let path = folder.join(GRAPH_DATA);
        Ok(Self { file: AtomicFile::create(&path)?, path, length: 0 })
    }

    /// Fills up to the next page, where a tensor may begin, and gives the place.
    pub(super) fn begin(&mut self) -> Result<usize, GraphError> {
        let start = self.length.next_multiple_of(ALIGNMENT);
        self.push(&vec![0; start - self.length])?;
        Ok(start)
    }

    /// Adds bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), GraphError> {
        let failed = |source| WriteError { path: self.path.clone(), source };
        self.file.write_all(bytes).map_err(failed)?;
        self.length += bytes.len();
        Ok(())
    }

    /// Where the next byte goes.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Gives the file its name.
    pub(super) fn commit(self) -> Result<(), GraphError> {
        Ok(self.file.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_begin_on_pages() {
        let folder = tempfile::tempdir().unwrap();
        let mut data = DataFile::create(folder.path()).unwrap();
        assert_eq!(data.begin().unwrap(), 0);
        data.push(&[1; 5]).unwrap();
        assert_eq!(data.begin().unwrap(), 4096);
        data.push(&[2; 3]).unwrap();
        data.commit().unwrap();
        let bytes = std::fs::read(folder.path().join(GRAPH_DATA)).unwrap();
        assert_eq!((bytes.len(), bytes[4], bytes[5], bytes[4096]), (4099, 1, 0, 2));
    }
}

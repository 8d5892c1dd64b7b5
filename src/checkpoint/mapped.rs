use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::tensor::{Metadata, SafeTensors};

use super::CheckpointError;

/// One safetensors file, mapped: its pages are read when they are touched, and shared between processes.
#[derive(Debug)]
pub(crate) struct MappedFile {
    pub(crate) path: PathBuf,
    pages: Mmap,
    /// Where the numbers begin: behind the length of the header and the header.
    data_start: usize,
}

impl MappedFile {
    /// Maps the file and reads its header, which must describe the file to its last byte.
    pub(crate) fn open(path: &Path) -> Result<(Self, Metadata), CheckpointError> {
        let read = |source| CheckpointError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        #[expect(
            unsafe_code,
            reason = "a map shows later changes of the file; weights are never written in place by this program, and \
                      a checkpoint that another program rewrites during an import is damaged however it is read"
        )]
        let pages = unsafe { Mmap::map(&file) }.map_err(read)?;
        let damaged = |message: String| CheckpointError::Damaged { path: path.to_owned(), message };
        let (header, metadata) =
            SafeTensors::read_metadata(&pages).map_err(|error| damaged(error.to_string()))?;
        let data_start = header + size_of::<u64>();
        if data_start + metadata.data_len() != pages.len() {
            let message = format!("{} bytes, {} expected", pages.len(), data_start + metadata.data_len());
            return Err(damaged(message));
        }
        Ok((Self { path: path.to_owned(), pages, data_start }, metadata))
    }

    /// The bytes of a tensor and their place in the file; the header was checked against the length at opening.
    pub(crate) fn bytes(&self, offsets: (usize, usize)) -> (&[u8], usize) {
        let start = self.data_start + offsets.0;
        (&self.pages[start..self.data_start + offsets.1], start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_file_is_damaged_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::U8, vec![4], &[1, 2, 3, 4]).unwrap();
        let whole = safetensors::serialize([("w", view)], None).unwrap();
        std::fs::write(&path, &whole).unwrap();
        let (file, metadata) = MappedFile::open(&path).unwrap();
        assert_eq!(file.bytes(metadata.info("w").unwrap().data_offsets).0, [1, 2, 3, 4]);
        for cut in [whole.len() - 1, 20, 3] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let error = MappedFile::open(&path).unwrap_err().to_string();
            assert!(error.contains("model.safetensors"), "{error}");
        }
    }
}

//! Files of safetensors that are written tensor by tensor, so that no copy of the whole is made.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::FinetuneError;
use crate::compute::ComputeError;
use crate::files::{AtomicFile, WriteError};

/// Numbers that are turned into bytes at once.
const CHUNK: usize = 1 << 15;

/// A tensor of f32 whose numbers are asked for when its turn comes.
pub(super) struct StreamedTensor<'a> {
    pub(super) name: String,
    pub(super) shape: &'a [usize],
    pub(super) numbers: Box<dyn Fn() -> Result<Cow<'a, [f32]>, ComputeError> + 'a>,
}

/// Writes them with the bytes of `safetensors::serialize`; the file appears whole or not at all. Numbers are written as they
/// are, finite or not.
///
/// # Errors
/// `FinetuneError` for numbers that do not fill their shape, and a file that cannot be written.
pub(super) fn write(
    path: &Path,
    mut tensors: Vec<StreamedTensor<'_>>,
    metadata: HashMap<String, String>,
) -> Result<(), FinetuneError> {
    tensors.sort_by(|one, other| one.name.cmp(&other.name));
    let failed = |source| WriteError { path: path.to_owned(), source };
    let header = header(&tensors, metadata).map_err(|message| fault(path, message))?;
    let mut file = AtomicFile::create(path)?;
    file.write_all(&(header.len() as u64).to_le_bytes()).map_err(failed)?;
    file.write_all(&header).map_err(failed)?;
    for tensor in &tensors {
        let numbers = (tensor.numbers)()?;
        if numbers.len() != tensor.shape.iter().product::<usize>() {
            let message = format!("`{}` has {} numbers for {:?}", tensor.name, numbers.len(), tensor.shape);
            return Err(fault(path, message));
        }
        write_numbers(&mut file, &numbers).map_err(failed)?;
    }
    Ok(file.commit()?)
}

/// Names, shapes and places, filled up to whole numbers of 8 bytes.
fn header(tensors: &[StreamedTensor<'_>], metadata: HashMap<String, String>) -> Result<Vec<u8>, String> {
    let mut end = 0;
    let mut infos = Vec::with_capacity(tensors.len());
    for StreamedTensor { name, shape, .. } in tensors {
        let start = end;
        end += shape.iter().product::<usize>() * size_of::<f32>();
        let info = TensorInfo { dtype: Dtype::F32, shape: shape.to_vec(), data_offsets: (start, end) };
        infos.push((name.clone(), info));
    }
    let whole = Metadata::new(Some(metadata), infos).map_err(|error| error.to_string())?;
    let mut header = serde_json::to_vec(&whole).map_err(|error| error.to_string())?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

fn write_numbers(file: &mut AtomicFile, numbers: &[f32]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(size_of::<f32>() * numbers.len().min(CHUNK));
    for chunk in numbers.chunks(CHUNK) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|number| number.to_le_bytes()));
        file.write_all(&bytes)?;
    }
    Ok(())
}

fn fault(path: &Path, message: String) -> FinetuneError {
    FinetuneError::State { path: path.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;

    use super::*;

    fn tensors<'a>(values: &'a [(&str, Vec<usize>, Vec<f32>)]) -> Vec<StreamedTensor<'a>> {
        let streamed = |(name, shape, numbers): &'a (&str, Vec<usize>, Vec<f32>)| StreamedTensor {
            name: (*name).to_owned(),
            shape,
            numbers: Box::new(move || Ok(Cow::Borrowed(&numbers[..]))),
        };
        values.iter().map(streamed).collect()
    }

    #[test]
    fn the_bytes_are_those_that_the_crate_makes_of_the_whole() {
        // Out of order, longer than a chunk, empty, and not finite.
        let many: Vec<f32> = (0..2 * CHUNK + 5).map(|n| n as f32 / 7.0 - 3.0).collect();
        let values = [
            ("weight/b", vec![2, CHUNK], many[..2 * CHUNK].to_vec()),
            ("mean/b", vec![2 * CHUNK + 5], many),
            ("weight/a", vec![3], vec![f32::NAN, f32::INFINITY, -0.0]),
            ("square/none", vec![0, 4], Vec::new()),
        ];
        let metadata = HashMap::from([("about".to_owned(), "{\"steps\":1}".to_owned())]);
        let bytes: Vec<Vec<u8>> =
            values.iter().map(|(.., v)| v.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
        let views = values.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
            (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
        });
        let expected = safetensors::serialize(views, Some(metadata.clone())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        write(&path, tensors(&values), metadata).unwrap();
        assert!(std::fs::read(&path).unwrap() == expected);
    }

    #[test]
    fn nothing_is_left_of_a_file_whose_numbers_cannot_be_had() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let values = [("a", vec![2], vec![1.0, 2.0]), ("b", vec![3], vec![1.0])];
        let error = write(&path, tensors(&values), HashMap::new()).unwrap_err().to_string();
        assert!(error.contains("`b` has 1 numbers for [3]"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

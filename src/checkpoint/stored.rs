use std::borrow::Cow;
use std::path::Path;

use super::narrow::NarrowMatrix;
use super::{CheckpointError, Element, NarrowForm};

/// A weight as it lies in its file, or as rounding, an adapter or training makes it.
#[derive(Clone, Debug)]
pub struct StoredTensor<'a> {
    /// Its name in the file.
    pub name: &'a str,
    /// Its number type.
    pub element: Element,
    /// Its shape, rows first.
    pub shape: &'a [usize],
    /// Its numbers, little-endian, rows first.
    pub bytes: Cow<'a, [u8]>,
    /// Whether its numbers are in no file, because it was rounded, or an adapter or training changed it.
    pub merged: bool,
    /// The file.
    pub file: &'a Path,
    /// Where in the file the numbers begin, in bytes.
    pub offset: usize,
}

impl StoredTensor<'_> {
    /// The numbers as f32, exactly.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        self.element.decode(&self.bytes)
    }

    /// Rounded to what a narrow form of it stands for.
    pub(super) fn rounded(self, form: NarrowForm) -> Result<Self, CheckpointError> {
        if form == NarrowForm::Bf16 && self.element == Element::Bf16 {
            return Ok(self);
        }
        let (element, bytes) = NarrowMatrix::of(&self, form)?.stored();
        Ok(Self { element, bytes: Cow::Owned(bytes), merged: true, ..self })
    }

    /// With numbers in f32 that were made of its own.
    pub(super) fn changed(self, change: impl FnOnce(&mut [f32])) -> Result<Self, CheckpointError> {
        let mut values = self.values();
        change(&mut values);
        self.with(&values)
    }

    /// With other numbers.
    pub(super) fn with(self, values: &[f32]) -> Result<Self, CheckpointError> {
        let bytes = Cow::Owned(Element::F32.encode(values, self.name)?);
        Ok(Self { element: Element::F32, bytes, merged: true, ..self })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use safetensors::tensor::{Dtype, TensorView};

    use super::super::{BaseNumbers, Family, Merge, Weights};
    use super::*;

    fn weights(folder: &Path, element: Element) -> Weights {
        let bytes = element.encode(&[1.001, -2.0, 0.5, 3.0], "w").unwrap();
        let kind = if element == Element::Bf16 { Dtype::BF16 } else { Dtype::F32 };
        let view = TensorView::new(kind, vec![2, 2], &bytes).unwrap();
        let file = safetensors::serialize([("model.w", view)], None).unwrap();
        fs::write(folder.join("model.safetensors"), file).unwrap();
        Weights::open(folder, Family::ModernBert).unwrap()
    }

    #[test]
    fn a_weight_is_rounded_and_then_an_adapter_added() {
        let folder = tempfile::tempdir().unwrap();
        let mut weights = weights(folder.path(), Element::F32);
        weights.round(BTreeMap::from([("w".to_owned(), NarrowForm::Bf16)]));
        let rounded = weights.get("w", &[2, 2]).unwrap();
        assert_eq!((rounded.values(), rounded.merged), (vec![1.0, -2.0, 0.5, 3.0], true));
        drop(rounded);
        let merge = |inputs| Merge { inputs, down: vec![0.25; 2], up: vec![0.01; 2], scale: 1.0 };
        let message = weights.merge("w", merge(1)).unwrap_err().to_string();
        assert!(message.contains("w (of 1 numbers)"), "{message}");
        weights.merge("w", merge(2)).unwrap();
        // The sum is not rounded again.
        assert_eq!(weights.get("w", &[2, 2]).unwrap().values()[..2], [1.0025, -1.9975]);
        weights.replace("w", vec![1.001; 4]).unwrap();
        assert_eq!(weights.get("w", &[2, 2]).unwrap().values(), [1.001; 4]);
    }

    #[test]
    fn a_weight_in_bf16_stays_in_its_file_and_is_rounded_to_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let mut weights = weights(folder.path(), Element::Bf16);
        weights.round(BTreeMap::from([("w".to_owned(), NarrowForm::Bf16)]));
        assert!(!weights.get("w", &[2, 2]).unwrap().merged);
        let blocks = BaseNumbers::Int8.of_maps().unwrap();
        weights.round(BTreeMap::from([("w".to_owned(), blocks)]));
        let rounded = weights.get("w", &[2, 2]).unwrap();
        assert!(rounded.merged && rounded.element == Element::F32);
        assert!(rounded.values().iter().zip([1.0, -2.0, 0.5, 3.0]).all(|(a, b)| (a - b).abs() < 0.01));
    }
}

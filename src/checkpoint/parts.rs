//! Weights that a family stores as one and computes as several, or of which it computes a part: rows of a matrix
//! are neighbours in its file, so that each part is a weight of its own, in place.

use super::Weights;
use super::weights::Entry;

/// Which rows of a stored weight get which names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Division {
    /// The weight, by the name of the bare model.
    pub(super) name: String,
    /// Rows in front that nothing computes.
    pub(super) skipped: usize,
    /// Each part's name and number of rows.
    pub(super) parts: Vec<(String, usize)>,
}

impl Division {
    /// How many rows the stored weight must have.
    pub(super) fn rows(&self) -> usize {
        self.skipped + self.parts.iter().map(|(_, rows)| rows).sum::<usize>()
    }
}

impl Weights {
    /// Gives parts of stored weights their names. One that is not there, or has another number of rows, stays as it
    /// is, and is missed by its parts' names later.
    pub(super) fn divide(&mut self, divisions: &[Division]) {
        for division in divisions {
            let Some((stored, entry)) = self.find(&division.name) else { continue };
            let (stored, entry) = (stored.to_owned(), entry.clone());
            let rows = division.rows();
            if rows == 0 || entry.shape.first() != Some(&rows) {
                continue;
            }
            self.tensors.remove(&stored);
            let prefix = stored.strip_suffix(&division.name).unwrap_or_default();
            let row_bytes = (entry.offsets.1 - entry.offsets.0) / rows;
            let delta = self.deltas.remove(&stored);
            let mut start = entry.offsets.0 + division.skipped * row_bytes;
            let mut row = division.skipped;
            for (name, rows) in &division.parts {
                let end = start + rows * row_bytes;
                let mut shape = entry.shape.clone();
                shape[0] = *rows;
                let part = Entry { shape, offsets: (start, end), ..entry };
                let name = format!("{prefix}{name}");
                if let Some(delta) = &delta {
                    self.deltas.insert(name.clone(), delta.rows(row, *rows));
                }
                self.tensors.insert(name, part);
                (start, row) = (end, row + rows);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use safetensors::tensor::{Dtype, TensorView};

    use super::super::{Element, Family};
    use super::*;

    fn weights(folder: &Path) -> Weights {
        let values: Vec<f32> = (0_u8..12).map(f32::from).collect();
        let bytes = Element::F32.encode(&values, "w").unwrap();
        let view = TensorView::new(Dtype::F32, vec![6, 2], &bytes).unwrap();
        let file = safetensors::serialize([("model.w", view)], None).unwrap();
        fs::write(folder.join("model.safetensors"), file).unwrap();
        Weights::open(folder, Family::ModernBert).unwrap()
    }

    fn division(rows: [usize; 2]) -> Division {
        let parts = vec![("w.a".to_owned(), rows[0]), ("w.b".to_owned(), rows[1])];
        Division { name: "w".to_owned(), skipped: 1, parts }
    }

    #[test]
    fn parts_are_rows_of_the_stored_weight() {
        let folder = tempfile::tempdir().unwrap();
        let mut weights = weights(folder.path());
        weights.divide(&[division([2, 3])]);
        assert_eq!(weights.get("w.a", &[2, 2]).unwrap().values(), [2.0, 3.0, 4.0, 5.0]);
        assert_eq!(weights.get("w.b", &[3, 2]).unwrap().values()[0], 6.0);
        assert!(!weights.contains("w"));
        assert!(weights.unused().unwrap().is_empty());
    }

    #[test]
    fn another_number_of_rows_is_left_to_be_missed() {
        let folder = tempfile::tempdir().unwrap();
        let mut weights = weights(folder.path());
        weights.divide(&[division([2, 2])]);
        assert!(weights.contains("w") && !weights.contains("w.a"));
    }
}

//! From narrow numbers to f32.

use super::for_rows;
use crate::checkpoint::NarrowMatrix;

/// All rows, one behind the other.
pub(in super::super) fn decoded(matrix: &NarrowMatrix) -> Vec<f32> {
    let (rows, width) = matrix.shape();
    let mut values = vec![0.0; rows * width];
    for_rows(&mut values, width, |row, out| matrix.decode_row(row, out));
    values
}

/// Some rows, in this order.
pub(in super::super) fn decoded_rows(matrix: &NarrowMatrix, rows: &[u32]) -> Vec<f32> {
    let width = matrix.shape().1;
    let mut values = vec![0.0; rows.len() * width];
    for_rows(&mut values, width, |place, out| matrix.decode_row(rows[place] as usize, out));
    values
}

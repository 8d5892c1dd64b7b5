use ndarray::Array2;
use ndarray::linalg::general_mat_mul;
use rayon::prelude::*;
use sprs::CsMatI;

use crate::predictors::linear::{CHUNK_ROWS, Element};

/// At most this many partial matrices are in memory.
const TASKS: usize = 16;
/// Rows a column that are enough for a preconditioner: more rows would move it by less than the
/// curvature moves between the prior and the solution.
const ROWS_PER_COLUMN: usize = 64;

/// The weighted mean of `x x'` over the rows, `x` with a final 1 for the intercept; of very many
/// rows a regular sample.
pub(super) fn with_intercept<T: Element>(matrix: &Array2<T>, weights: &[f64]) -> Array2<f64> {
    let size = matrix.ncols() + 1;
    let counted: Vec<usize> = (0..matrix.nrows()).filter(|row| weights[*row] > 0.0).collect();
    let stride = (counted.len() / (ROWS_PER_COLUMN * size)).max(1);
    let sample: Vec<usize> = counted.into_iter().step_by(stride).collect();
    let of_task = sample.len().div_ceil(TASKS).max(CHUNK_ROWS);
    let partial: Vec<Array2<T>> =
        sample.par_chunks(of_task).map(|rows| sum_of_products(matrix, weights, rows)).collect();
    let mut gram = Array2::zeros((size, size));
    for part in partial {
        gram.zip_mut_with(&part, |sum: &mut f64, value| *sum += value.wide());
    }
    let total: f64 = sample.iter().map(|row| weights[*row]).sum();
    gram / total.max(f64::MIN_POSITIVE)
}

fn sum_of_products<T: Element>(matrix: &Array2<T>, weights: &[f64], rows: &[usize]) -> Array2<T> {
    let columns = matrix.ncols();
    // Mean weights are tiny; single precision is kept in its range by the count of rows.
    let count = weights.len() as f64;
    let mut sum = Array2::<T>::zeros((columns + 1, columns + 1));
    let mut scaled = Array2::<T>::zeros((CHUNK_ROWS, columns + 1));
    for rows in rows.chunks(CHUNK_ROWS) {
        for (row, mut target) in rows.iter().zip(scaled.rows_mut()) {
            let root = T::of((weights[*row] * count).sqrt());
            for (target, value) in target.iter_mut().zip(matrix.row(*row)) {
                *target = *value * root;
            }
            target[columns] = root;
        }
        let filled = scaled.slice(ndarray::s![..rows.len(), ..]);
        general_mat_mul(T::one(), &filled.t(), &filled, T::one(), &mut sum);
    }
    sum.mapv_into(|value| T::of(value.wide() / count))
}

/// The weighted mean square of each sparse column.
pub(super) fn diagonal(by_column: &CsMatI<f32, u32, usize>, weights: &[f64]) -> Vec<f64> {
    let starts = by_column.indptr();
    let starts = starts.raw_storage();
    let of_column = |column: usize| {
        let span = starts[column]..starts[column + 1];
        let entries = by_column.indices()[span.clone()].iter().zip(&by_column.data()[span]);
        entries.map(|(row, value)| weights[*row as usize] * f64::from(*value).powi(2)).sum()
    };
    (0..by_column.cols()).into_par_iter().with_min_len(1_024).map(of_column).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_gram_matrix_is_the_weighted_mean_of_products() {
        let x = array![[1.0, 2.0], [3.0, -1.0], [9.0, 9.0]];
        let gram = with_intercept(&x, &[0.25, 0.75, 0.0]);
        let expected = array![[7.0, -1.75, 2.5], [-1.75, 1.75, -0.25], [2.5, -0.25, 1.0]];
        assert!((gram - expected).iter().all(|difference: &f64| difference.abs() < 1e-12));
    }
}

use ndarray::Array2;
use rayon::prelude::*;
use sprs::CsMatI;

use crate::predictors::linear::{CHUNK_ROWS, Element, Margin, Matrix, SoftmaxRecords, gather};

/// Dense rows whose contributions are summed by one task; their sums are added in order.
const TASK_ROWS: usize = 8 * CHUNK_ROWS;
/// Dense rows that are added at once: fewer loads and stores of the sums.
const AT_ONCE: usize = 4;
/// Sparse columns that one task takes.
const TASK_COLUMNS: usize = 1_024;

/// The blocks of the records, ready to be multiplied from the other side.
///
/// Sparse blocks are kept by column as well: each sum is then one task's, and needs no merging.
pub(crate) struct Transposed<'a> {
    records: &'a SoftmaxRecords<'a>,
    by_column: Vec<Option<CsMatI<f32, u32, usize>>>,
}

impl<'a> Transposed<'a> {
    pub(crate) fn new(records: &'a SoftmaxRecords<'a>) -> Self {
        let by_column = records.blocks().iter().map(|block| match &block.matrix {
            Matrix::Sparse(matrix) => Some(matrix.to_csc()),
            Matrix::Double(_) | Matrix::Single(_) => None,
        });
        Self { records, by_column: by_column.collect() }
    }

    pub(super) fn records(&self) -> &'a SoftmaxRecords<'a> {
        self.records
    }

    pub(super) fn by_column(&self, block: usize) -> Option<&CsMatI<f32, u32, usize>> {
        self.by_column[block].as_ref()
    }

    /// Sums over the rows: features times residuals, one number a weight, in the layout of weights.
    pub(super) fn products(&self, block: usize, residuals: &[Margin], sums: &mut [f64]) {
        let block_of = &self.records.blocks()[block];
        let (first, count) = block_of.outputs.span();
        match (&block_of.matrix, count) {
            (Matrix::Double(matrix), 3) => dense::<f64, 3>(matrix, residuals, first, sums),
            (Matrix::Single(matrix), 3) => dense::<f32, 3>(matrix, residuals, first, sums),
            (Matrix::Double(matrix), _) => dense::<f64, 1>(matrix, residuals, first, sums),
            (Matrix::Single(matrix), _) => dense::<f32, 1>(matrix, residuals, first, sums),
            (Matrix::Sparse(_), outputs) => {
                let Some(matrix) = self.by_column(block) else { return };
                if outputs == 3 {
                    sparse::<3>(matrix, residuals, first, sums);
                } else {
                    sparse::<1>(matrix, residuals, first, sums);
                }
            }
        }
    }
}

fn dense<T: Element, const K: usize>(
    matrix: &Array2<T>,
    residuals: &[Margin],
    first: usize,
    sums: &mut [f64],
) {
    let columns = matrix.ncols();
    sums.fill(0.0);
    let Some(values) = matrix.as_slice().filter(|_| columns > 0) else { return };
    let partial: Vec<Vec<f64>> = values
        .par_chunks(TASK_ROWS * columns)
        .zip(residuals.par_chunks(TASK_ROWS))
        .map(|(values, residuals)| {
            let mut wide = vec![0.0; K * columns];
            let mut narrow = vec![T::zero(); K * columns];
            for (values, residuals) in values.chunks(CHUNK_ROWS * columns).zip(residuals.chunks(CHUNK_ROWS)) {
                narrow.fill(T::zero());
                add_rows::<T, K>(values, residuals, first, &mut narrow);
                for (wide, narrow) in wide.iter_mut().zip(&narrow) {
                    *wide += narrow.wide();
                }
            }
            wide
        })
        .collect();
    for part in partial {
        for (sum, value) in sums.iter_mut().zip(part) {
            *sum += value;
        }
    }
}

fn add_rows<T: Element, const K: usize>(values: &[T], residuals: &[Margin], first: usize, sums: &mut [T]) {
    let columns = sums.len() / K;
    let (groups, rest) = residuals.as_chunks::<AT_ONCE>();
    let split = groups.len() * AT_ONCE * columns;
    for (rows, residuals) in values[..split].chunks_exact(AT_ONCE * columns).zip(groups) {
        if residuals.iter().all(|residual| residual[first..first + K].iter().all(|value| *value == 0.0)) {
            continue;
        }
        let (rows_0, rows_1) = rows.split_at(2 * columns);
        let ((x0, x1), (x2, x3)) = (rows_0.split_at(columns), rows_1.split_at(columns));
        for (k, sums) in sums.chunks_exact_mut(columns).enumerate() {
            let r: [T; AT_ONCE] = std::array::from_fn(|row| T::of(residuals[row][first + k]));
            for ((((sum, x0), x1), x2), x3) in sums.iter_mut().zip(x0).zip(x1).zip(x2).zip(x3) {
                *sum = *sum + ((*x0 * r[0] + *x1 * r[1]) + (*x2 * r[2] + *x3 * r[3]));
            }
        }
    }
    for (row, residual) in values[split..].chunks_exact(columns).zip(rest) {
        for (k, sums) in sums.chunks_exact_mut(columns).enumerate() {
            let r = T::of(residual[first + k]);
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum = *sum + *x * r;
            }
        }
    }
}

fn sparse<const K: usize>(
    by_column: &CsMatI<f32, u32, usize>,
    residuals: &[Margin],
    first: usize,
    sums: &mut [f64],
) {
    let columns = by_column.cols();
    let table: Vec<[f64; K]> =
        residuals.iter().map(|residual| std::array::from_fn(|k| residual[first + k])).collect();
    let starts = by_column.indptr();
    let starts = starts.raw_storage();
    let (indices, values) = (by_column.indices(), by_column.data());
    let mut together = vec![[0.0; K]; columns];
    together.par_chunks_mut(TASK_COLUMNS).enumerate().for_each(|(task, out)| {
        for (offset, sum) in out.iter_mut().enumerate() {
            let column = task * TASK_COLUMNS + offset;
            let span = starts[column]..starts[column + 1];
            *sum = gather(&indices[span.clone()], &values[span], &table);
        }
    });
    for (k, sums) in sums.chunks_exact_mut(columns.max(1)).enumerate() {
        for (sum, together) in sums.iter_mut().zip(&together) {
            *sum = together[k];
        }
    }
}

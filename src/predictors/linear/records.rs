use std::borrow::Cow;

use linfa::dataset::Records;
use ndarray::{Array2, LinalgScalar};
use rayon::prelude::*;
use sprs::CsMatI;

use super::{Form, Margin};

/// Rows that one task of a parallel loop takes; fixed, so that the number of threads changes no bit.
pub(crate) const CHUNK_ROWS: usize = 512;

/// How many partial sums a dot product keeps side by side.
const LANES: usize = 8;

/// A scalar of a dense matrix.
pub trait Element: LinalgScalar + Send + Sync {
    /// The nearest value of this type.
    fn of(value: f64) -> Self;
    /// The same value in double precision.
    fn wide(self) -> f64;
}

impl Element for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn wide(self) -> f64 {
        self
    }
}

impl Element for f32 {
    #[expect(clippy::cast_possible_truncation, reason = "single precision is what the caller asked for")]
    fn of(value: f64) -> Self {
        value as Self
    }

    fn wide(self) -> f64 {
        f64::from(self)
    }
}

/// The numbers of one block of features, one row a battle.
#[derive(Clone, Debug)]
pub enum Matrix<'a> {
    /// Dense, double precision; computed in double precision.
    Double(Cow<'a, Array2<f64>>),
    /// Dense, single precision; products in single precision, sums over rows in double precision.
    Single(Cow<'a, Array2<f32>>),
    /// Compressed sparse rows; computed in double precision.
    Sparse(&'a CsMatI<f32, u32, usize>),
}

impl<'a> Matrix<'a> {
    /// A dense block in double precision; copied only when its rows are not contiguous.
    #[must_use]
    pub fn double(matrix: &'a Array2<f64>) -> Self {
        Self::Double(row_major(matrix))
    }

    /// A dense block in single precision; copied only when its rows are not contiguous.
    #[must_use]
    pub fn single(matrix: &'a Array2<f32>) -> Self {
        Self::Single(row_major(matrix))
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Double(matrix) => matrix.nrows(),
            Self::Single(matrix) => matrix.nrows(),
            Self::Sparse(matrix) => matrix.rows(),
        }
    }

    /// The number of features.
    #[must_use]
    pub fn columns(&self) -> usize {
        match self {
            Self::Double(matrix) => matrix.ncols(),
            Self::Single(matrix) => matrix.ncols(),
            Self::Sparse(matrix) => matrix.cols(),
        }
    }

    /// Whether every number is finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        match self {
            Self::Double(matrix) => matrix.iter().all(|value| value.is_finite()),
            Self::Single(matrix) => matrix.iter().all(|value| value.is_finite()),
            Self::Sparse(matrix) => matrix.data().iter().all(|value| value.is_finite()),
        }
    }
}

fn row_major<T: Element>(matrix: &Array2<T>) -> Cow<'_, Array2<T>> {
    if matrix.is_standard_layout() {
        Cow::Borrowed(matrix)
    } else {
        Cow::Owned(matrix.as_standard_layout().into_owned())
    }
}

/// Which outputs of the model a block of features speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// The logits of A, B and tie, one weight each.
    Classes,
    /// The contrast of A against B: features that change their sign when the sides are exchanged.
    Contrast,
    /// The logit of a tie: features that stay when the sides are exchanged.
    Tie,
}

impl Outputs {
    /// The first position in a [`Margin`] and how many follow.
    #[must_use]
    pub fn span(self) -> (usize, usize) {
        match self {
            Self::Classes => (0, 3),
            Self::Contrast => (0, 1),
            Self::Tie => (1, 1),
        }
    }
}

/// Features of one kind with the outputs they speak to.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    /// The numbers.
    pub matrix: Matrix<'a>,
    /// Where they lead.
    pub outputs: Outputs,
}

/// The records of a softmax regression: blocks of features with the same rows.
#[derive(Clone, Debug)]
pub struct SoftmaxRecords<'a> {
    form: Form,
    blocks: Vec<Block<'a>>,
    rows: usize,
}

impl<'a> SoftmaxRecords<'a> {
    /// Three weights a feature and three intercepts: the multinomial model of textbooks.
    ///
    /// `None` when a block has another number of rows.
    #[must_use]
    pub fn multinomial(rows: usize, blocks: Vec<Matrix<'a>>) -> Option<Self> {
        let blocks = blocks.into_iter().map(|matrix| Block { matrix, outputs: Outputs::Classes }).collect();
        Self::new(Form::Multinomial, rows, blocks)
    }

    /// One weight a feature; predictions commute with an exchange of the sides, bit for bit.
    ///
    /// `odd` features change their sign under the exchange, `even` ones stay. `None` when a block
    /// has another number of rows.
    #[must_use]
    pub fn swap_equivariant(rows: usize, odd: Vec<Matrix<'a>>, even: Vec<Matrix<'a>>) -> Option<Self> {
        let contrast = odd.into_iter().map(|matrix| Block { matrix, outputs: Outputs::Contrast });
        let tie = even.into_iter().map(|matrix| Block { matrix, outputs: Outputs::Tie });
        Self::new(Form::SwapEquivariant, rows, contrast.chain(tie).collect())
    }

    fn new(form: Form, rows: usize, blocks: Vec<Block<'a>>) -> Option<Self> {
        blocks.iter().all(|block| block.matrix.rows() == rows).then_some(Self { form, blocks, rows })
    }

    /// How margins become logits.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// The blocks: of a swap-equivariant model the odd ones first.
    #[must_use]
    pub fn blocks(&self) -> &[Block<'a>] {
        &self.blocks
    }
}

impl Records for SoftmaxRecords<'_> {
    type Elem = f64;

    fn nsamples(&self) -> usize {
        self.rows
    }

    fn nfeatures(&self) -> usize {
        self.blocks.iter().map(|block| block.matrix.columns()).sum()
    }
}

impl Block<'_> {
    /// The number of weights.
    #[must_use]
    pub fn size(&self) -> usize {
        self.matrix.columns() * self.outputs.span().1
    }

    /// Adds features times weights to the margins. The weights of one output lie together.
    pub(crate) fn add_products(&self, weights: &[f64], margins: &mut [Margin]) {
        match (&self.matrix, self.outputs) {
            (Matrix::Double(matrix), Outputs::Classes) => dense::<f64, 3>(matrix, weights, 0, margins),
            (Matrix::Single(matrix), Outputs::Classes) => dense::<f32, 3>(matrix, weights, 0, margins),
            (Matrix::Sparse(matrix), Outputs::Classes) => sparse::<3>(matrix, weights, 0, margins),
            (Matrix::Double(matrix), one) => dense::<f64, 1>(matrix, weights, one.span().0, margins),
            (Matrix::Single(matrix), one) => dense::<f32, 1>(matrix, weights, one.span().0, margins),
            (Matrix::Sparse(matrix), one) => sparse::<1>(matrix, weights, one.span().0, margins),
        }
    }
}

fn dense<T: Element, const K: usize>(
    matrix: &Array2<T>,
    weights: &[f64],
    first: usize,
    margins: &mut [Margin],
) {
    let columns = matrix.ncols();
    let Some(values) = matrix.as_slice().filter(|_| columns > 0) else { return };
    let narrow: Vec<T> = weights.iter().map(|weight| T::of(*weight)).collect();
    let of_output: [&[T]; K] = std::array::from_fn(|k| &narrow[k * columns..(k + 1) * columns]);
    margins.par_chunks_mut(CHUNK_ROWS).zip(values.par_chunks(CHUNK_ROWS * columns)).for_each(
        |(out, rows)| {
            for (margin, row) in out.iter_mut().zip(rows.chunks_exact(columns)) {
                let products = dot::<T, K>(row, of_output);
                for (k, product) in products.into_iter().enumerate() {
                    margin[first + k] += product;
                }
            }
        },
    );
}

/// Several dot products with one row, each in `LANES` partial sums that the compiler keeps in vectors.
fn dot<T: Element, const K: usize>(row: &[T], weights: [&[T]; K]) -> [f64; K] {
    let mut lanes = [[T::zero(); LANES]; K];
    let (blocks, tail) = row.as_chunks::<LANES>();
    let of_output = weights.map(|of_output| of_output.as_chunks::<LANES>());
    for (b, block) in blocks.iter().enumerate() {
        for k in 0..K {
            let weight = &of_output[k].0[b];
            for lane in 0..LANES {
                lanes[k][lane] = lanes[k][lane] + block[lane] * weight[lane];
            }
        }
    }
    std::array::from_fn(|k| {
        let rest: f64 = tail.iter().zip(of_output[k].1).map(|(x, weight)| x.wide() * weight.wide()).sum();
        lanes[k].iter().map(|lane| lane.wide()).sum::<f64>() + rest
    })
}

fn sparse<const K: usize>(
    matrix: &CsMatI<f32, u32, usize>,
    weights: &[f64],
    first: usize,
    margins: &mut [Margin],
) {
    let columns = matrix.cols();
    // The weights of one feature side by side: one access to memory a feature.
    let together: Vec<[f64; K]> =
        (0..columns).map(|column| std::array::from_fn(|k| weights[k * columns + column])).collect();
    let starts = matrix.indptr();
    let starts = starts.raw_storage();
    let (indices, values) = (matrix.indices(), matrix.data());
    margins.par_chunks_mut(CHUNK_ROWS).enumerate().for_each(|(chunk, out)| {
        for (offset, margin) in out.iter_mut().enumerate() {
            let row = chunk * CHUNK_ROWS + offset;
            let span = starts[row]..starts[row + 1];
            let sums = gather(&indices[span.clone()], &values[span], &together);
            for (k, sum) in sums.into_iter().enumerate() {
                margin[first + k] += sum;
            }
        }
    });
}

/// The sums of sparse values times the table entries they point at; four chains hide the latency.
pub(crate) fn gather<const K: usize>(indices: &[u32], values: &[f32], table: &[[f64; K]]) -> [f64; K] {
    let mut chains = [[0.0_f64; K]; 4];
    let (index_blocks, index_tail) = indices.as_chunks::<4>();
    let (value_blocks, value_tail) = values.as_chunks::<4>();
    for (index, value) in index_blocks.iter().zip(value_blocks) {
        for lane in 0..4 {
            let (entry, x) = (&table[index[lane] as usize], f64::from(value[lane]));
            for k in 0..K {
                chains[lane][k] += x * entry[k];
            }
        }
    }
    for (index, value) in index_tail.iter().zip(value_tail) {
        for k in 0..K {
            chains[0][k] += f64::from(*value) * table[*index as usize][k];
        }
    }
    std::array::from_fn(|k| (chains[0][k] + chains[1][k]) + (chains[2][k] + chains[3][k]))
}

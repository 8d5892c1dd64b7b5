use ndarray::Array2;

use super::cholesky::Cholesky;
use super::gram;
use super::rows::Rows;
use super::transpose::Transposed;
use crate::predictors::linear::{Form, Matrix, Outputs};

/// The curvature of the cross-entropy at the model without features, where it is a Kronecker product:
/// the Gram matrix of the features times the covariance of the class indicators.
///
/// It replaces the bound of Boehning (1992): the same cost, and exact where the fit starts.
pub(super) struct Curvature {
    grams: Vec<Gram>,
    /// Of the covariance of the logits: unit vectors over the outputs, and their eigenvalues.
    modes: [([f64; 3], f64); 3],
    /// Curvature of contrast and tie logit of the swap-equivariant form.
    single: [f64; 2],
}

enum Gram {
    /// Of a dense block with a final column of ones.
    Full(Array2<f64>),
    /// Mean squares of a sparse block, whose full matrix would not fit into memory.
    Diagonal(Vec<f64>),
}

impl Curvature {
    pub(super) fn new(transposed: &Transposed<'_>, rows: &Rows) -> Self {
        let blocks = transposed.records().blocks().iter().enumerate();
        let grams = blocks.map(|(index, block)| match (&block.matrix, transposed.by_column(index)) {
            (Matrix::Double(matrix), _) => Gram::Full(gram::with_intercept(matrix, &rows.weights)),
            (Matrix::Single(matrix), _) => Gram::Full(gram::with_intercept(matrix, &rows.weights)),
            (Matrix::Sparse(_), by_column) => Gram::Diagonal(
                by_column.map_or_else(Vec::new, |matrix| gram::diagonal(matrix, &rows.weights)),
            ),
        });
        let p = rows.shares();
        let covariance = std::array::from_fn(|i| {
            std::array::from_fn(|j| if i == j { p[i] - p[i] * p[j] } else { -p[i] * p[j] })
        });
        Self {
            grams: grams.collect(),
            modes: eigen(covariance),
            single: [0.25 * (p[0] + p[1]), p[2] * (1.0 - p[2])],
        }
    }

    /// A block whose squares are not finite, if there is one.
    pub(super) fn not_finite(&self) -> Option<usize> {
        self.grams.iter().position(|gram| match gram {
            Gram::Full(matrix) => !matrix.iter().all(|value| value.is_finite()),
            Gram::Diagonal(squares) => !squares.iter().all(|value| value.is_finite()),
        })
    }

    fn modes_of(&self, outputs: Outputs) -> Vec<([f64; 3], f64)> {
        match outputs {
            Outputs::Classes => self.modes.to_vec(),
            Outputs::Contrast => vec![([1.0, 0.0, 0.0], self.single[0])],
            Outputs::Tie => vec![([1.0, 0.0, 0.0], self.single[1])],
        }
    }

    /// The approximate inverse of the Hessian under these penalties.
    pub(super) fn preconditioner(&self, transposed: &Transposed<'_>, penalties: &[f64]) -> Preconditioner {
        let form = transposed.records().form();
        let mut intercept_is_free = true;
        let mut start = 0;
        let mut parts = Vec::new();
        for (block, (gram, penalty)) in
            transposed.records().blocks().iter().zip(self.grams.iter().zip(penalties))
        {
            let columns = block.matrix.columns();
            let has_intercept = !matches!(block.outputs, Outputs::Contrast);
            let takes_intercept = has_intercept && intercept_is_free && matches!(gram, Gram::Full(_));
            if penalty.is_finite() {
                let modes = self.modes_of(block.outputs);
                let factors = modes
                    .iter()
                    .map(|(_, eigenvalue)| Factor::new(gram, *eigenvalue, *penalty, takes_intercept))
                    .collect();
                parts.push(Part { start, columns, modes, factors, takes_intercept });
                intercept_is_free &= !takes_intercept;
            }
            start += block.size();
        }
        if intercept_is_free {
            let outputs = if form == Form::Multinomial { Outputs::Classes } else { Outputs::Tie };
            let modes = self.modes_of(outputs);
            let factors = modes.iter().map(|(_, eigenvalue)| Factor::intercept_alone(*eigenvalue)).collect();
            parts.push(Part { start, columns: 0, modes, factors, takes_intercept: true });
        }
        Preconditioner { parts, intercepts: start }
    }
}

/// An approximate inverse Hessian: block-diagonal over blocks of features and modes of the outputs.
pub(super) struct Preconditioner {
    parts: Vec<Part>,
    /// Where the intercepts start.
    intercepts: usize,
}

struct Part {
    start: usize,
    columns: usize,
    modes: Vec<([f64; 3], f64)>,
    factors: Vec<Factor>,
    takes_intercept: bool,
}

enum Factor {
    Full(Cholesky),
    /// Inverse diagonal.
    Diagonal(Vec<f64>),
}

impl Factor {
    fn new(gram: &Gram, eigenvalue: f64, penalty: f64, takes_intercept: bool) -> Self {
        // Where the curvature of the loss is rounding error, the penalty is all there is.
        let eigenvalue = if eigenvalue < 1e-12 { 0.0 } else { eigenvalue };
        let inverse = |value: f64| if value > 0.0 { 1.0 / value } else { 0.0 };
        match gram {
            Gram::Full(gram) if eigenvalue > 0.0 => {
                let columns = gram.nrows() - 1;
                let size = if takes_intercept { columns + 1 } else { columns };
                let mut matrix = gram.slice(ndarray::s![..size, ..size]).mapv(|value| value * eigenvalue);
                matrix.diag_mut().iter_mut().take(columns).for_each(|value| *value += penalty);
                Self::Full(Cholesky::new(matrix))
            }
            Gram::Full(gram) => {
                let mut diagonal = vec![inverse(penalty); gram.nrows() - 1];
                diagonal.extend(takes_intercept.then_some(0.0));
                Self::Diagonal(diagonal)
            }
            Gram::Diagonal(squares) => {
                Self::Diagonal(squares.iter().map(|square| inverse(eigenvalue * square + penalty)).collect())
            }
        }
    }

    fn intercept_alone(eigenvalue: f64) -> Self {
        Self::Diagonal(vec![if eigenvalue < 1e-12 { 0.0 } else { 1.0 / eigenvalue }])
    }

    fn solve(&self, values: &mut [f64]) {
        match self {
            Self::Full(cholesky) => cholesky.solve(values),
            Self::Diagonal(inverse) => {
                values.iter_mut().zip(inverse).for_each(|(value, inverse)| *value *= inverse)
            }
        }
    }
}

impl Preconditioner {
    /// The approximate inverse Hessian times a vector of the layout of the parameters; blocks without
    /// a finite penalty give zero.
    pub(super) fn apply(&self, vector: &[f64]) -> Vec<f64> {
        let mut result = vec![0.0; vector.len()];
        for part in &self.parts {
            part.apply(vector, &mut result, self.intercepts);
        }
        result
    }
}

impl Part {
    /// Where output `k` keeps its weights.
    fn span(&self, k: usize) -> std::ops::Range<usize> {
        self.start + k * self.columns..self.start + (k + 1) * self.columns
    }

    fn apply(&self, vector: &[f64], result: &mut [f64], intercepts: usize) {
        let outputs = self.modes.len();
        let mut values = Vec::with_capacity(self.columns + 1);
        for ((direction, _), factor) in self.modes.iter().zip(&self.factors) {
            values.clear();
            values.resize(self.columns + usize::from(self.takes_intercept), 0.0);
            for (k, share) in direction.iter().enumerate().take(outputs) {
                values.iter_mut().zip(&vector[self.span(k)]).for_each(|(value, x)| *value += share * x);
                if self.takes_intercept {
                    values[self.columns] += share * vector[intercepts + k];
                }
            }
            factor.solve(&mut values);
            for (k, share) in direction.iter().enumerate().take(outputs) {
                result[self.span(k)].iter_mut().zip(&values).for_each(|(x, value)| *x += share * value);
                if self.takes_intercept {
                    result[intercepts + k] += share * values[self.columns];
                }
            }
        }
    }
}

/// Eigenvectors and eigenvalues of a symmetric matrix by Jacobi's rotations.
fn eigen(mut matrix: [[f64; 3]; 3]) -> [([f64; 3], f64); 3] {
    let mut vectors = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for _ in 0..16 {
        for (i, j) in [(0, 1), (0, 2), (1, 2)] {
            if matrix[i][j].abs() < 1e-300 {
                continue;
            }
            let theta = (matrix[j][j] - matrix[i][i]) / (2.0 * matrix[i][j]);
            let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
            let cosine = 1.0 / tangent.hypot(1.0);
            let sine = tangent * cosine;
            for row in &mut matrix {
                (row[i], row[j]) = (cosine * row[i] - sine * row[j], sine * row[i] + cosine * row[j]);
            }
            for k in 0..3 {
                let (a, b) = (matrix[i][k], matrix[j][k]);
                (matrix[i][k], matrix[j][k]) = (cosine * a - sine * b, sine * a + cosine * b);
                let (a, b) = (vectors[i][k], vectors[j][k]);
                (vectors[i][k], vectors[j][k]) = (cosine * a - sine * b, sine * a + cosine * b);
            }
        }
    }
    std::array::from_fn(|k| (vectors[k], matrix[k][k].max(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_give_the_matrix_back() {
        let p = [0.5, 0.2, 0.3];
        let covariance: [[f64; 3]; 3] = std::array::from_fn(|i| {
            std::array::from_fn(|j| if i == j { p[i] * (1.0 - p[i]) } else { -p[i] * p[j] })
        });
        let modes = eigen(covariance);
        for i in 0..3 {
            for j in 0..3 {
                let sum: f64 = modes.iter().map(|(vector, value)| value * vector[i] * vector[j]).sum();
                assert!((sum - covariance[i][j]).abs() < 1e-14);
            }
        }
        let least = modes.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
        assert!(least < 1e-15, "a common shift of all logits changes nothing");
    }
}

use ndarray::Array2;

use super::cholesky::Cholesky;
use super::gram;
use super::rows::{Rows, softmax};
use super::transpose::Transposed;
use crate::predictors::linear::{Form, Margin, Matrix, Outputs};

/// The curvature of the cross-entropy at some point: for each kind of output a Gram matrix of the
/// features times the mean covariance of the class indicators, a Kronecker product.
///
/// At the model without features this is exact and replaces the bound of Boehning (1992) at the same
/// cost. Elsewhere each row counts as much as its own curvature does.
pub(super) struct Curvature {
    grams: Vec<Gram>,
    classes: Modes,
    contrast: Modes,
    tie: Modes,
}

/// Directions in the space of the outputs, with the mean curvature of the loss along them.
#[derive(Clone, Debug)]
struct Modes {
    modes: Vec<([f64; 3], f64)>,
    /// What each row counts.
    weights: Vec<f64>,
}

enum Gram {
    /// Of a dense block with a final column of ones.
    Full(Array2<f64>),
    /// Mean squares of a sparse block, whose full matrix would not fit into memory.
    Diagonal(Vec<f64>),
    /// Of a block that takes no part.
    Unknown,
}

impl Curvature {
    /// Of the blocks that have a finite penalty, at these margins.
    pub(super) fn new(transposed: &Transposed<'_>, rows: &Rows, at: &[Margin], penalties: &[f64]) -> Self {
        let p: Vec<[f64; 3]> = at.iter().map(|margin| softmax(rows.form.logits(*margin))).collect();
        let classes = Modes::of_classes(rows, &p);
        let contrast = Modes::single(rows, &p, |p| 0.25 * (p[0] + p[1] - (p[0] - p[1]).powi(2)));
        let tie = Modes::single(rows, &p, |p| p[2] * (1.0 - p[2]));
        let mut known = Self { grams: Vec::new(), classes, contrast, tie };
        let blocks = transposed.records().blocks().iter().enumerate().zip(penalties);
        let grams = blocks.map(|((index, block), penalty)| {
            let weights = &known.modes(block.outputs).weights;
            match (&block.matrix, transposed.by_column(index)) {
                _ if penalty.is_infinite() => Gram::Unknown,
                (Matrix::Double(matrix), _) => Gram::Full(gram::with_intercept(matrix, weights)),
                (Matrix::Single(matrix), _) => Gram::Full(gram::with_intercept(matrix, weights)),
                (Matrix::Sparse(_), Some(by_column)) => Gram::Diagonal(gram::diagonal(by_column, weights)),
                (Matrix::Sparse(_), None) => Gram::Unknown,
            }
        });
        known.grams = grams.collect();
        known
    }

    fn modes(&self, outputs: Outputs) -> &Modes {
        match outputs {
            Outputs::Classes => &self.classes,
            Outputs::Contrast => &self.contrast,
            Outputs::Tie => &self.tie,
        }
    }

    /// A block whose squares are not finite, if there is one.
    pub(super) fn not_finite(&self) -> Option<usize> {
        self.grams.iter().position(|gram| match gram {
            Gram::Full(matrix) => !matrix.iter().all(|value| value.is_finite()),
            Gram::Diagonal(squares) => !squares.iter().all(|value| value.is_finite()),
            Gram::Unknown => false,
        })
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
                let modes = self.modes(block.outputs).modes.clone();
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
            let modes = self.modes(outputs).modes.clone();
            let factors = modes.iter().map(|(_, eigenvalue)| Factor::intercept_alone(*eigenvalue)).collect();
            parts.push(Part { start, columns: 0, modes, factors, takes_intercept: true });
        }
        Preconditioner { parts, intercepts: start }
    }
}

impl Modes {
    fn of_classes(rows: &Rows, p: &[[f64; 3]]) -> Self {
        let mut mean = [[0.0; 3]; 3];
        for (p, weight) in p.iter().zip(&rows.weights) {
            for i in 0..3 {
                for j in 0..3 {
                    mean[i][j] += weight * if i == j { p[i] * (1.0 - p[i]) } else { -p[i] * p[j] };
                }
            }
        }
        let trace = (mean[0][0] + mean[1][1] + mean[2][2]).max(f64::MIN_POSITIVE);
        let of_row = |p: &[f64; 3]| p.iter().map(|p| p * (1.0 - p)).sum::<f64>() / trace;
        let weights = p.iter().zip(&rows.weights).map(|(p, weight)| weight * of_row(p)).collect();
        Self { modes: eigen(mean).to_vec(), weights }
    }

    fn single(rows: &Rows, p: &[[f64; 3]], curvature: impl Fn(&[f64; 3]) -> f64) -> Self {
        let mut weights: Vec<f64> =
            p.iter().zip(&rows.weights).map(|(p, weight)| weight * curvature(p)).collect();
        let mean = weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        for weight in &mut weights {
            *weight /= mean;
        }
        Self { modes: vec![([1.0, 0.0, 0.0], mean)], weights }
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
            Gram::Unknown => Self::Diagonal(Vec::new()),
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
                for (value, inverse) in values.iter_mut().zip(inverse) {
                    *value *= inverse;
                }
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

use ndarray::Array2;

/// A lower triangular factor `C` with `C C' = M`, or nearly so where `M` is close to singular.
#[derive(Clone, Debug)]
pub(super) struct Cholesky {
    factor: Array2<f64>,
}

impl Cholesky {
    /// The factor of a symmetric positive semidefinite matrix; its lower half is read.
    ///
    /// A pivot that is rounding error is raised: the factor serves as a preconditioner, which may be
    /// inexact but must not be singular.
    pub(super) fn new(mut matrix: Array2<f64>) -> Self {
        let size = matrix.nrows();
        let floor: Vec<f64> = (0..size).map(|i| (matrix[[i, i]] * 1e-7).max(1e-300)).collect();
        for i in 0..size {
            let (done, mut rest) = matrix.view_mut().split_at(ndarray::Axis(0), i);
            let mut row = rest.row_mut(0);
            for j in 0..i {
                let sum = row.slice(ndarray::s![..j]).dot(&done.slice(ndarray::s![j, ..j]));
                row[j] = (row[j] - sum) / done[[j, j]];
            }
            let known = row.slice(ndarray::s![..i]);
            let pivot = row[i] - known.dot(&known);
            row[i] = pivot.max(floor[i]).sqrt();
            row.slice_mut(ndarray::s![i + 1..]).fill(0.0);
        }
        Self { factor: matrix }
    }

    /// Replaces `b` by the solution `x` of `C C' x = b`.
    pub(super) fn solve(&self, b: &mut [f64]) {
        let size = self.factor.nrows();
        for i in 0..size {
            let row = self.factor.row(i);
            let known: f64 = row.iter().take(i).zip(&*b).map(|(c, x)| c * x).sum();
            b[i] = (b[i] - known) / row[i];
        }
        // By columns of C', which are rows of C: both passes read memory in order.
        for i in (0..size).rev() {
            let row = self.factor.row(i);
            b[i] /= row[i];
            let x = b[i];
            for (value, c) in b.iter_mut().zip(row.iter().take(i)) {
                *value -= c * x;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, array};

    use super::*;

    #[test]
    fn the_solution_solves_the_system() {
        let matrix = array![[4.0, 1.0, 0.5], [1.0, 3.0, -0.2], [0.5, -0.2, 2.0]];
        let x = array![1.0, -2.0, 0.3];
        let mut b = matrix.dot(&x).to_vec();
        Cholesky::new(matrix).solve(&mut b);
        assert!((Array1::from(b) - x).iter().all(|difference| difference.abs() < 1e-14));
    }

    #[test]
    fn a_singular_matrix_gives_a_finite_answer() {
        let mut b = vec![1.0, 1.0];
        Cholesky::new(array![[1.0, 1.0], [1.0, 1.0]]).solve(&mut b);
        assert!(b.iter().all(|x| x.is_finite()));
        let mut zero = vec![0.0];
        Cholesky::new(array![[0.0]]).solve(&mut zero);
        assert!(zero[0].is_finite());
    }
}

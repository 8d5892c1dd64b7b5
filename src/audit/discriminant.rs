use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;

/// The solver stops after so many steps at the latest; with the ridge it needs far fewer.
const MOST_STEPS: usize = 300;

/// How small the residual must become, relative to the right-hand side.
const TOLERANCE: f64 = 1e-8;

/// Sums over the rows of one part: how many of each kind, sums of the columns by kind, products.
struct Sums {
    counts: [f64; 2],
    columns: [Array1<f64>; 2],
    products: Array2<f64>,
}

/// Fisher's linear discriminant, fitted on the other parts, of every row: higher is more like a
/// positive one.
///
/// The weights are (T + r I)^-1 (mean of positives - mean of negatives) with the total covariance T of
/// the training rows, which has the same direction as the within-class covariance, and the ridge
/// r = columns / rows (Fisher 1936; Friedman 1989 for the ridge). `matrix` has standardised columns,
/// `positive` says the kind of each row, `part` its fold, 0..`parts`. Scores of different parts are on
/// different scales.
pub(super) fn cross_fitted(matrix: &Array2<f64>, positive: &[bool], part: &[u32], parts: u32) -> Vec<f64> {
    let rows_of =
        |wanted: u32| -> Vec<usize> { (0..part.len()).filter(|row| part[*row] == wanted).collect() };
    let members: Vec<Vec<usize>> = (0..parts).map(rows_of).collect();
    let sums: Vec<Sums> = members.par_iter().map(|rows| Sums::new(matrix, positive, rows)).collect();
    let scores: Vec<Array1<f64>> = members
        .par_iter()
        .enumerate()
        .map(|(held_out, rows)| {
            let others =
                sums.iter().enumerate().filter(|(other, _)| *other != held_out).map(|(_, sums)| sums);
            matrix.select(Axis(0), rows).dot(&weights(others, matrix.ncols()))
        })
        .collect();
    let mut result = vec![0.0; part.len()];
    for (rows, scores) in members.iter().zip(scores) {
        for (row, score) in rows.iter().zip(scores) {
            result[*row] = score;
        }
    }
    result
}

impl Sums {
    fn new(matrix: &Array2<f64>, positive: &[bool], rows: &[usize]) -> Self {
        let (ours, theirs): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| positive[**row]);
        let kinds = [ours, theirs].map(|rows| matrix.select(Axis(0), &rows));
        let products = kinds[0].t().dot(&kinds[0]) + kinds[1].t().dot(&kinds[1]);
        let [ours, theirs] = &kinds;
        Self {
            counts: [ours.nrows() as f64, theirs.nrows() as f64],
            columns: [ours.sum_axis(Axis(0)), theirs.sum_axis(Axis(0))],
            products,
        }
    }
}

fn weights<'a>(parts: impl Iterator<Item = &'a Sums>, columns: usize) -> Array1<f64> {
    let mut total = Sums {
        counts: [0.0; 2],
        columns: [Array1::zeros(columns), Array1::zeros(columns)],
        products: Array2::zeros((columns, columns)),
    };
    for part in parts {
        total.products += &part.products;
        for kind in 0..2 {
            total.counts[kind] += part.counts[kind];
            total.columns[kind] += &part.columns[kind];
        }
    }
    let [ours, theirs] = total.counts;
    if ours <= 0.0 || theirs <= 0.0 {
        return Array1::zeros(columns);
    }
    let rows = ours + theirs;
    let difference = &total.columns[0] / ours - &total.columns[1] / theirs;
    let mean = (&total.columns[0] + &total.columns[1]) / rows;
    let mut covariance = total.products / rows;
    for (mut row, own) in covariance.rows_mut().into_iter().zip(&mean) {
        row.scaled_add(-own, &mean);
    }
    covariance.diag_mut().mapv_inplace(|value| value + columns as f64 / rows + 1e-6);
    solved(&covariance, &difference)
}

/// The solution of a positive definite system by conjugate gradients (Hestenes and Stiefel 1952).
fn solved(matrix: &Array2<f64>, right: &Array1<f64>) -> Array1<f64> {
    let mut solution = Array1::zeros(right.len());
    let mut residual = right.clone();
    let mut direction = residual.clone();
    let mut square = residual.dot(&residual);
    let enough = TOLERANCE * TOLERANCE * square;
    for _ in 0..MOST_STEPS {
        if square <= enough {
            break;
        }
        let image = matrix.dot(&direction);
        let step = square / direction.dot(&image);
        solution.scaled_add(step, &direction);
        residual.scaled_add(-step, &image);
        let next = residual.dot(&residual);
        direction *= next / square;
        direction += &residual;
        square = next;
    }
    solution
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_system_is_solved() {
        let x = solved(&array![[4.0, 1.0], [1.0, 3.0]], &array![1.0, 2.0]);
        assert!((x[0] - 1.0 / 11.0).abs() < 1e-10 && (x[1] - 7.0 / 11.0).abs() < 1e-10);
        assert!(solved(&array![[1.0]], &array![0.0])[0].abs() < 1e-12);
    }

    #[test]
    fn correlated_columns_are_combined_against_each_other() {
        // Both columns carry the same large nuisance; only their difference tells the kinds apart.
        let matrix = Array2::from_shape_fn((200, 2), |(row, column)| {
            let nuisance = ((row * 37) % 101) as f64 / 50.0 - 1.0;
            nuisance + if column == 0 && row % 2 == 0 { 0.2 } else { 0.0 }
        });
        let positive: Vec<bool> = (0..200).map(|row| row % 2 == 0).collect();
        let part: Vec<u32> = (0..200).map(|row| u32::from(row >= 100)).collect();
        let scores = cross_fitted(&matrix, &positive, &part, 2);
        for half in [0..100, 100..200] {
            let of =
                |kind: bool| half.clone().filter(move |row| (row % 2 == 0) == kind).map(|row| scores[row]);
            let lowest = of(true).fold(f64::INFINITY, f64::min);
            assert!(of(false).all(|score| score < lowest));
        }
    }
}

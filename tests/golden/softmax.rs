//! Our softmax regression against scikit-learn's; `softmax.py` printed the numbers.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a damaged golden file must fail the test; f32 is what a fit on f32 sees"
)]

use linfa::dataset::DatasetBase;
use linfa::traits::{Fit, Predict};
use ndarray::{Array1, Array2};
use serde::Deserialize;
use sprs::TriMatI;
use tiebreak::learning::softmax::SoftmaxParams;
use tiebreak::predictors::linear::{FitStatus, FittedSoftmax, Matrix, SoftmaxRecords};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    swap: Vec<SwapCase>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    x: Vec<Vec<f64>>,
    targets: Vec<[f64; 3]>,
    weights: Vec<f32>,
    penalty: f64,
    coefficients: Vec<Vec<f64>>,
    intercepts: Vec<f64>,
    probabilities: Vec<[f64; 3]>,
    objective: f64,
}

#[derive(Deserialize)]
struct SwapCase {
    name: String,
    odd: Vec<Vec<f64>>,
    even: Vec<Vec<f64>>,
    targets: Vec<[f64; 3]>,
    penalty_odd: f64,
    penalty_even: f64,
    contrast: Vec<f64>,
    tie: Vec<f64>,
    tie_intercept: f64,
    probabilities: Vec<[f64; 3]>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("softmax.json")).unwrap()
}

fn matrix(rows: &[Vec<f64>]) -> Array2<f64> {
    let flat: Vec<f64> = rows.iter().flatten().copied().collect();
    Array2::from_shape_vec((rows.len(), rows[0].len()), flat).unwrap()
}

fn triples(rows: &[[f64; 3]]) -> Array2<f64> {
    Array2::from_shape_fn((rows.len(), 3), |(row, class)| rows[row][class])
}

fn largest_difference<'a>(a: impl IntoIterator<Item = &'a f64>, b: impl IntoIterator<Item = &'a f64>) -> f64 {
    a.into_iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn fit(records: SoftmaxRecords<'_>, case: &Case) -> (FittedSoftmax, Array2<f64>) {
    let dataset =
        DatasetBase::new(records, triples(&case.targets)).with_weights(Array1::from(case.weights.clone()));
    let fitted = SoftmaxParams::new().penalty(case.penalty).tolerance(1e-8).fit(&dataset).unwrap();
    let probabilities = fitted.predict(&dataset);
    (fitted, probabilities)
}

#[test]
fn dense_fits_equal_those_of_scikit_learn() {
    for case in golden().cases {
        let x = matrix(&case.x);
        let records = SoftmaxRecords::multinomial(x.nrows(), vec![Matrix::double(&x)]).unwrap();
        let (fitted, probabilities) = fit(records, &case);
        assert_eq!(fitted.report.status, FitStatus::Converged, "{}: {:?}", case.name, fitted.report);
        assert!((fitted.report.objective - case.objective).abs() < 1e-10, "{}", case.name);
        assert!(largest_difference(&probabilities, &triples(&case.probabilities)) < 1e-6, "{}", case.name);
        assert!(largest_difference(&fitted.weights[0], &matrix(&case.coefficients)) < 1e-5, "{}", case.name);
        assert!(largest_difference(&fitted.intercepts, &case.intercepts) < 1e-4, "{}", case.name);
    }
}

#[test]
fn single_precision_features_reach_the_same_probabilities() {
    for case in golden().cases {
        let x = matrix(&case.x).mapv(|value| value as f32);
        let records = SoftmaxRecords::multinomial(x.nrows(), vec![Matrix::single(&x)]).unwrap();
        let (_, probabilities) = fit(records, &case);
        let difference = largest_difference(&probabilities, &triples(&case.probabilities));
        assert!(difference < 1e-4, "{}: {difference}", case.name);
    }
}

#[test]
fn sparse_rows_reach_the_same_fit_as_dense_ones() {
    let cases = golden().cases;
    let case = cases.iter().find(|case| case.name == "sparse").unwrap();
    let mut triplets = TriMatI::<f32, u32>::new((case.x.len(), case.x[0].len()));
    for (row, values) in case.x.iter().enumerate() {
        for (column, value) in values.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            triplets.add_triplet(row, column, *value as f32);
        }
    }
    let sparse = triplets.to_csr::<usize>();
    let records = SoftmaxRecords::multinomial(sparse.rows(), vec![Matrix::Sparse(&sparse)]).unwrap();
    let (fitted, probabilities) = fit(records, case);
    assert_eq!(fitted.report.status, FitStatus::Converged, "{:?}", fitted.report);
    assert!(largest_difference(&probabilities, &triples(&case.probabilities)) < 1e-6);
    assert!(largest_difference(&fitted.weights[0], &matrix(&case.coefficients)) < 1e-5);
}

#[test]
fn the_swap_equivariant_fit_equals_one_of_both_orders_by_scikit_learn() {
    for case in golden().swap {
        let (odd, even) = (matrix(&case.odd), matrix(&case.even));
        let records = SoftmaxRecords::swap_equivariant(
            odd.nrows(),
            vec![Matrix::double(&odd)],
            vec![Matrix::double(&even)],
        );
        let dataset = DatasetBase::new(records.unwrap(), triples(&case.targets));
        let params =
            SoftmaxParams::new().penalties(vec![case.penalty_odd, case.penalty_even]).tolerance(1e-10);
        let fitted: FittedSoftmax = params.fit(&dataset).unwrap();
        let probabilities: Array2<f64> = fitted.predict(&dataset);
        assert_eq!(fitted.report.status, FitStatus::Converged, "{}", case.name);
        assert!(largest_difference(&probabilities, &triples(&case.probabilities)) < 1e-6, "{}", case.name);
        assert!(largest_difference(&fitted.weights[0], &case.contrast) < 1e-5, "{}", case.name);
        assert!(largest_difference(&fitted.weights[1], &case.tie) < 1e-5, "{}", case.name);
        assert!((fitted.intercepts[1] - case.tie_intercept).abs() < 1e-5, "{}", case.name);
    }
}

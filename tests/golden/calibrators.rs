#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "helpers unwrap like tests, and exact values are tested"
)]

use serde::Deserialize;
use tiebreak::battle::{BattleId, Class, GroupId, HeldOut, Probabilities, Scored, Target, Task};
use tiebreak::calibrators::{
    BlendCandidate, Calibrator, CalibratorKind, Steps, fit_temperature, fit_weights, position_bias,
};
use tiebreak::metrics::{Columns, log_losses, mean};
use tiebreak::predictors::Pooling;

#[derive(Deserialize)]
struct Reference {
    predictions: Vec<[f64; 3]>,
    labels: Vec<usize>,
    soft: Vec<[f64; 3]>,
    groups: Vec<usize>,
    temperature: f64,
    temperature_soft: f64,
    symmetric: Fit,
    vector: Fit,
    structured_matrix: Fit,
    likelihood_ratio: f64,
    likelihood_ratio_p: f64,
    clustered_p: f64,
    grid: Vec<f64>,
    isotonic: Vec<Vec<f64>>,
    members: Vec<Vec<[f64; 3]>>,
    weights_arithmetic: Vec<f64>,
    weights_geometric: Vec<f64>,
}

#[derive(Deserialize)]
struct Fit {
    #[serde(default)]
    parameters: Vec<f64>,
    #[serde(default)]
    factors: Vec<f64>,
    #[serde(default)]
    matrix: Vec<[f64; 3]>,
    loss: f64,
}

impl Reference {
    fn load() -> Self {
        serde_json::from_str(include_str!("calibrators.json")).unwrap()
    }

    fn predictions(&self) -> Vec<Probabilities> {
        self.predictions.iter().map(|p| Probabilities::new(*p).unwrap()).collect()
    }

    fn targets(&self) -> Vec<Target> {
        self.labels.iter().map(|label| Target::one_hot(Class::ALL[*label])).collect()
    }

    fn rows<T: Clone>(&self, predictions: &[T], group: impl Fn(usize) -> String) -> HeldOut<T> {
        let rows = predictions.iter().zip(self.targets()).enumerate();
        let scored = rows.map(|(row, (prediction, target))| Scored {
            id: BattleId(format!("{row:04}")),
            group: GroupId(group(row)),
            fold: None,
            prediction: prediction.clone(),
            target,
        });
        HeldOut::declared(scored.collect(), "reference")
    }

    fn grouped<T: Clone>(&self, predictions: &[T]) -> HeldOut<T> {
        self.rows(predictions, |row| format!("{:03}", self.groups[row]))
    }

    /// The calibrator of a kind and its loss on its own rows.
    fn fit(&self, kind: CalibratorKind) -> (Calibrator, f64) {
        let calibrator = kind.fit(&self.grouped(&self.predictions()), Task::ThreeWay).unwrap();
        let calibrated: Vec<Probabilities> =
            self.predictions().iter().map(|p| calibrator.apply(*p, Task::ThreeWay)).collect();
        let loss = mean(&log_losses(&calibrated, &self.targets()));
        (calibrator, loss)
    }
}

#[track_caller]
fn close(ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len());
    let far = ours.iter().zip(theirs).find(|(ours, theirs)| (*ours - *theirs).abs() > tolerance);
    assert!(far.is_none(), "{ours:?} against {theirs:?}");
}

#[test]
fn the_temperature_is_that_of_scikit_learn() {
    let reference = Reference::load();
    let fitted = fit_temperature(&reference.predictions(), &reference.targets(), Task::ThreeWay);
    close(&[fitted.temperature], &[reference.temperature], 1e-6);
    let soft: Vec<Target> = reference.soft.iter().map(|t| Target::new(*t).unwrap()).collect();
    let fitted = fit_temperature(&reference.predictions(), &soft, Task::ThreeWay);
    close(&[fitted.temperature], &[reference.temperature_soft], 1e-6);
}

#[test]
fn the_affine_calibrators_minimise_their_penalised_losses_as_scipy_does() {
    let reference = Reference::load();
    // SciPy's minima are as exact as differences of the loss allow.
    let (Calibrator::Symmetric(s), loss) = reference.fit(CalibratorKind::Symmetric) else { unreachable!() };
    close(&[s.contrast, s.tie, s.offset], &reference.symmetric.parameters, 1e-6);
    close(&[loss], &[reference.symmetric.loss], 1e-7);
    let (Calibrator::Vector(v), loss) = reference.fit(CalibratorKind::Vector) else { unreachable!() };
    close(&v.factors, &reference.vector.factors, 1e-6);
    close(&[loss], &[reference.vector.loss], 1e-7);
    let (Calibrator::StructuredMatrix(m), loss) = reference.fit(CalibratorKind::StructuredMatrix) else {
        unreachable!()
    };
    close(m.matrix.as_flattened(), reference.structured_matrix.matrix.as_flattened(), 1e-6);
    close(&[loss], &[reference.structured_matrix.loss], 1e-7);
}

#[test]
fn isotonic_regression_is_that_of_scikit_learn() {
    let reference = Reference::load();
    for (class, theirs) in reference.isotonic.iter().enumerate() {
        let hot = |label: &usize| if *label == class { 1.0 } else { 0.0 };
        let points: Vec<(f64, f64)> = reference
            .predictions
            .iter()
            .zip(&reference.labels)
            .map(|(p, label)| (p[class], hot(label)))
            .collect();
        let steps = Steps::fit(&points);
        let ours: Vec<f64> = reference.grid.iter().map(|x| steps.at(*x)).collect();
        close(&ours, theirs, 1e-9);
    }
}

#[test]
fn the_position_bias_test_is_a_likelihood_ratio_of_rows_and_a_score_test_of_groups() {
    let reference = Reference::load();
    let predictions = reference.predictions();
    let single = Columns::new(&reference.rows(&predictions, |row| format!("{row:04}")));
    let bias = position_bias(&single, Task::ThreeWay);
    close(&[bias.statistic], &[reference.likelihood_ratio], 1e-5);
    close(&[bias.p_value], &[reference.likelihood_ratio_p], 1e-8);
    let grouped = position_bias(&Columns::new(&reference.grouped(&predictions)), Task::ThreeWay);
    close(&[grouped.statistic], &[reference.likelihood_ratio], 1e-5);
    close(&[grouped.p_value], &[reference.clustered_p], 1e-8);
}

#[test]
fn blend_weights_minimise_their_penalised_losses_as_scipy_does() {
    let reference = Reference::load();
    let members: Vec<Vec<Probabilities>> = reference
        .members
        .iter()
        .map(|members| members.iter().map(|p| Probabilities::new(*p).unwrap()).collect())
        .collect();
    let columns = Columns::new(&reference.grouped(&members));
    let weights =
        |pooling, pull| fit_weights(&columns, BlendCandidate { pooling, pull: Some(pull) }, Task::ThreeWay);
    close(&weights(Pooling::Arithmetic, 10.0), &reference.weights_arithmetic, 1e-6);
    close(&weights(Pooling::Geometric, 1.0), &reference.weights_geometric, 1e-6);
}

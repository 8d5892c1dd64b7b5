#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "helpers unwrap like tests, and exact values are tested"
)]

use serde::Deserialize;
use tiebreak::battle::{Class, GroupId, Probabilities, Target};
use tiebreak::metrics::{
    Binning, Bins, CALIBRATION_BINS, Clip, Groups, Resampling, accuracies, auc, auc_a_against_b,
    bootstrap_interval, brier_scores, calibration_error, calibration_error_debiased,
    classwise_calibration_error, clustered_mean, entropy_of_votes, log_loss, log_losses, mean,
    paired_difference, smooth_calibration_error, student_quantile, top_label,
};

#[derive(Deserialize)]
struct Reference {
    predictions: Vec<[f64; 3]>,
    labels: Vec<usize>,
    soft: Vec<[f64; 3]>,
    groups: Vec<usize>,
    weights: Vec<f64>,
    other: Vec<f64>,
    log_loss: f64,
    log_loss_f32: f64,
    log_loss_soft: f64,
    brier: f64,
    brier_soft: f64,
    accuracy_without_row_1: f64,
    auc: f64,
    auc_weighted_tied: f64,
    ece_top_label_without_row_1: f64,
    ece_equal_mass_without_row_1: f64,
    ece_classwise: f64,
    debiased_without_row_1: f64,
    smooth_without_row_1: f64,
    standard_error: f64,
    interval: [f64; 2],
    weighted_mean: f64,
    weighted_standard_error: f64,
    pair_mean: f64,
    pair_standard_error: f64,
    pair_p_value: f64,
    tiny_values: Vec<f64>,
    tiny_groups: Vec<usize>,
    tiny_interval: [f64; 2],
    scipy_interval: [f64; 2],
    row_standard_error: f64,
    student_quantiles: Vec<[f64; 3]>,
    votes: Vec<[f64; 3]>,
    entropy_of_votes: Vec<f64>,
}

impl Reference {
    fn load() -> Self {
        serde_json::from_str(include_str!("metrics.json")).unwrap()
    }

    fn predictions(&self) -> Vec<Probabilities> {
        self.predictions.iter().map(|p| Probabilities::new(*p).unwrap()).collect()
    }

    fn targets(&self) -> Vec<Target> {
        self.labels.iter().map(|label| Target::one_hot(Class::ALL[*label])).collect()
    }

    fn soft(&self) -> Vec<Target> {
        self.soft.iter().map(|t| Target::new(*t).unwrap()).collect()
    }

    fn losses(&self) -> Vec<f64> {
        log_losses(&self.predictions(), &self.targets())
    }

    /// Confidence and correctness of the rows with one top label.
    fn top_labels(&self) -> (Vec<f64>, Vec<f64>) {
        let (predictions, targets) = (self.predictions(), self.targets());
        let rows = predictions.iter().zip(&targets).enumerate().filter(|(row, _)| *row != 1);
        rows.map(|(_, (p, t))| top_label(*p, *t)).map(|top| (top.confidence, top.observed)).unzip()
    }
}

fn groups(numbers: &[usize]) -> Groups {
    let names: Vec<GroupId> = numbers.iter().map(|number| GroupId(format!("{number:03}"))).collect();
    Groups::new(names.iter())
}

#[track_caller]
fn close(ours: f64, theirs: f64, tolerance: f64) {
    assert!((ours - theirs).abs() <= tolerance, "{ours} against {theirs}");
}

#[test]
fn log_loss_brier_and_accuracy_are_those_of_scikit_learn() {
    let reference = Reference::load();
    let (p, t, soft) = (reference.predictions(), reference.targets(), reference.soft());
    close(mean(&log_losses(&p, &t)), reference.log_loss, 1e-9);
    close(mean(&log_losses(&p, &soft)), reference.log_loss_soft, 1e-9);
    close(mean(&brier_scores(&p, &t)), reference.brier, 1e-9);
    close(mean(&brier_scores(&p, &soft)), reference.brier_soft, 1e-9);
    let mut correct = accuracies(&p, &t);
    correct.remove(1);
    close(mean(&correct), reference.accuracy_without_row_1, 1e-12);
}

#[test]
fn the_log_loss_of_single_precision_predictions_is_clipped_at_their_epsilon() {
    let reference = Reference::load();
    #[expect(clippy::cast_possible_truncation, reason = "single precision is what is tested")]
    let single = reference.predictions.iter().map(|p| p.map(|value| f64::from(value as f32)));
    let losses: Vec<f64> = single
        .zip(reference.targets())
        .map(|(p, t)| log_loss(Probabilities::new(p).unwrap(), t, Clip::F32))
        .collect();
    // The reference itself adds in single precision.
    close(mean(&losses), reference.log_loss_f32, 2e-6);
}

#[test]
fn the_area_under_the_curve_is_that_of_scikit_learn() {
    let reference = Reference::load();
    close(auc_a_against_b(&reference.predictions(), &reference.targets()).unwrap(), reference.auc, 1e-9);
    let rows = [
        (0.1, 0.0, 1.0),
        (0.1, 2.0, 0.0),
        (0.4, 0.5, 0.0),
        (0.4, 0.0, 1.5),
        (0.8, 1.0, 0.0),
        (0.3, 0.0, 2.0),
    ];
    close(auc(&rows).unwrap(), reference.auc_weighted_tied, 1e-12);
}

#[test]
fn calibration_errors_are_those_of_scikit_learns_bins() {
    let reference = Reference::load();
    let (confidence, correct) = reference.top_labels();
    let bins = |binning| Bins::new(&confidence, binning, CALIBRATION_BINS);
    let (width, mass) = (bins(Binning::EqualWidth), bins(Binning::EqualMass));
    close(calibration_error(&width, &confidence, &correct), reference.ece_top_label_without_row_1, 1e-9);
    close(calibration_error(&mass, &confidence, &correct), reference.ece_equal_mass_without_row_1, 1e-9);
    close(calibration_error_debiased(&mass, &confidence, &correct), reference.debiased_without_row_1, 1e-9);
    close(
        classwise_calibration_error(&reference.predictions(), &reference.targets()),
        reference.ece_classwise,
        1e-9,
    );
}

#[test]
fn the_smooth_calibration_error_is_that_of_plain_quadrature() {
    let reference = Reference::load();
    let (confidence, correct) = reference.top_labels();
    // Ours collects residuals on 2,048 nodes and integrates over 512 points.
    close(smooth_calibration_error(&confidence, &correct), reference.smooth_without_row_1, 2e-5);
}

#[test]
fn clustered_errors_are_those_of_statsmodels() {
    let reference = Reference::load();
    let (losses, groups) = (reference.losses(), groups(&reference.groups));
    let plain = clustered_mean(&losses, None, &groups);
    close(plain.standard_error, reference.standard_error, 1e-9);
    close(plain.interval()[0], reference.interval[0], 1e-8);
    close(plain.interval()[1], reference.interval[1], 1e-8);
    let weighted = clustered_mean(&losses, Some(&reference.weights), &groups);
    close(weighted.value, reference.weighted_mean, 1e-9);
    close(weighted.standard_error, reference.weighted_standard_error, 1e-9);
    let pair = paired_difference(&losses, &reference.other, &groups);
    close(pair.value, reference.pair_mean, 1e-9);
    close(pair.standard_error, reference.pair_standard_error, 1e-9);
    close(pair.p_value(), reference.pair_p_value, 1e-9);
    let single = clustered_mean(&losses, None, &Groups::of_single_rows(losses.len()));
    close(single.standard_error, reference.row_standard_error, 1e-9);
}

#[test]
fn the_bootstrap_of_four_groups_is_the_exact_one_and_that_of_rows_is_scipys() {
    let reference = Reference::load();
    // The exact distribution has 256 equally probable samples; its quantiles are atoms that 20,000
    // replicates hit.
    let resampling = Resampling { replicates: 20_000, seed: 1 };
    let tiny = bootstrap_interval(&reference.tiny_values, None, &groups(&reference.tiny_groups), resampling);
    close(tiny[0], reference.tiny_interval[0], 1e-6);
    close(tiny[1], reference.tiny_interval[1], 1e-6);
    let losses = reference.losses();
    let rows = bootstrap_interval(&losses, None, &Groups::of_single_rows(losses.len()), resampling);
    // The Monte Carlo error of such a quantile of 20,000 means is 2 % of a standard error.
    close(rows[0], reference.scipy_interval[0], 0.08 * reference.row_standard_error);
    close(rows[1], reference.scipy_interval[1], 0.08 * reference.row_standard_error);
}

#[test]
fn quantiles_and_entropies_are_those_of_scipy() {
    let reference = Reference::load();
    for [probability, freedom, quantile] in &reference.student_quantiles {
        close(student_quantile(*probability, *freedom), *quantile, 1e-8);
    }
    for (votes, entropy) in reference.votes.iter().zip(&reference.entropy_of_votes) {
        close(entropy_of_votes(*votes).unwrap(), *entropy, 1e-9);
    }
}

use super::{EvaluationError, Scores, prior_predictions};
use crate::battle::{HeldOut, Probabilities, Task};
use crate::calibrators::{CalibratorKind, Temperature, cross_fit_calibrator, fit_temperature};
use crate::metrics::{
    Binning, Bins, CALIBRATION_BINS, Columns, IfPerfect, Resampling, accuracies, auc_a_against_b,
    brier_scores, calibration_error, calibration_error_debiased, classwise_calibration_error, clustered_mean,
    entropies, if_perfect, log_losses, mean, mean_interval, paired_difference, smooth_calibration_error,
    top_label,
};

/// How often labels are drawn from the predictions to say what perfect calibration would show.
const PERFECT_REPLICATES: u32 = 100;

/// Every metric of held-out predictions; `seed` decides what is resampled.
///
/// # Errors
/// When there is no row.
pub fn scores(held_out: &HeldOut, task: Task, seed: u64) -> Result<Scores, EvaluationError> {
    let columns = Columns::new(held_out);
    if columns.is_empty() {
        return Err(EvaluationError::NoRows);
    }
    let losses = log_losses(&columns.predictions, &columns.targets);
    let prior_losses = log_losses(&prior_predictions(&columns, task), &columns.targets);
    let log_loss = clustered_mean(&losses, None, &columns.groups);
    let to_prior = paired_difference(&losses, &prior_losses, &columns.groups);
    let differences: Vec<f64> = losses.iter().zip(&prior_losses).map(|(ours, prior)| ours - prior).collect();
    let recalibrated = cross_fit_calibrator(CalibratorKind::Symmetric, held_out, task, seed)?;
    let refinement = mean(&log_losses(&Columns::new(&recalibrated).predictions, &columns.targets));
    let Temperature { temperature, at_bound } = fit_temperature(&columns.predictions, &columns.targets, task);
    let perfect = if_perfect(&columns.predictions, Resampling { replicates: PERFECT_REPLICATES, seed });
    let calibration = CalibrationErrors::new(&columns);
    Ok(Scores {
        n: columns.len(),
        n_groups: columns.groups.count(),
        log_loss: log_loss.value,
        log_loss_standard_error: log_loss.standard_error,
        log_loss_interval: mean_interval(&losses, &columns.groups, seed),
        prior_log_loss: mean(&prior_losses),
        delta_to_prior: to_prior.value,
        delta_to_prior_interval: mean_interval(&differences, &columns.groups, seed),
        minimum_detectable_effect_to_prior: to_prior.minimum_detectable_effect(),
        brier: mean(&brier_scores(&columns.predictions, &columns.targets)),
        accuracy: mean(&accuracies(&columns.predictions, &columns.targets)),
        auc_a_against_b: auc_a_against_b(&columns.predictions, &columns.targets),
        entropy: mean(&entropies(&columns.predictions)),
        calibration_loss: log_loss.value - refinement,
        refinement_loss: refinement,
        temperature,
        temperature_at_bound: at_bound,
        ..calibration.beside(perfect)
    })
}

/// The calibration errors of the predictions as they are.
struct CalibrationErrors {
    errors: IfPerfect,
}

impl CalibrationErrors {
    fn new(columns: &Columns<Probabilities>) -> Self {
        let rows = columns.predictions.iter().zip(&columns.targets);
        let (confidence, observed): (Vec<f64>, Vec<f64>) = rows
            .map(|(prediction, target)| top_label(*prediction, *target))
            .map(|top| (top.confidence, top.observed))
            .unzip();
        let bins = |binning| Bins::new(&confidence, binning, CALIBRATION_BINS);
        let (width, mass) = (bins(Binning::EqualWidth), bins(Binning::EqualMass));
        Self {
            errors: IfPerfect {
                top_label: calibration_error(&width, &confidence, &observed),
                top_label_equal_mass: calibration_error(&mass, &confidence, &observed),
                classwise: classwise_calibration_error(&columns.predictions, &columns.targets),
                debiased: calibration_error_debiased(&mass, &confidence, &observed),
                smooth: smooth_calibration_error(&confidence, &observed),
            },
        }
    }

    /// Scores of which only the calibration errors are filled in.
    fn beside(self, perfect: IfPerfect) -> Scores {
        let IfPerfect { top_label, top_label_equal_mass, classwise, debiased, smooth } = self.errors;
        Scores {
            ece_top_label: top_label,
            ece_top_label_equal_mass: top_label_equal_mass,
            ece_classwise: classwise,
            calibration_error_debiased: debiased,
            ece_smooth: smooth,
            ece_top_label_if_perfect: perfect.top_label,
            ece_top_label_equal_mass_if_perfect: perfect.top_label_equal_mass,
            ece_classwise_if_perfect: perfect.classwise,
            calibration_error_debiased_if_perfect: perfect.debiased,
            ece_smooth_if_perfect: perfect.smooth,
            ..Scores::default()
        }
    }
}

use rayon::prelude::*;

use super::choice::{GroupFolds, cross_fitted_losses, cross_fitted_predictions};
use super::{
    CalibrationError, Calibrator, CalibratorKind, Candidate, PostProcessing, PostProcessingRecipe,
    PostProcessingSummary, position_bias,
};
use crate::battle::{HeldOut, Probabilities, Task};
use crate::metrics::{Columns, Estimate, log_losses, mean, paired_difference};

/// Post-processing judged on rows that it was not fitted on, and the one to ship.
#[derive(Clone, Debug)]
pub struct CrossFitted {
    /// Post-processed predictions; weights, choice of calibrator and calibrator of every row were
    /// fitted without the row's fold.
    pub held_out: HeldOut,
    /// The same rows blended with the same weights, uncalibrated.
    pub before: HeldOut,
    /// Fitted on all rows: what is shipped.
    pub fitted: PostProcessing,
    /// What was tried and what it comes to. Members are called `member 1`, `member 2`, ...
    pub summary: PostProcessingSummary,
}

/// The calibrated prediction of every row by a calibrator fitted on the other folds: the folds of the
/// rows where all have one, else seeded ones. With a single group nothing can be held out, and the
/// predictions stay as they are.
///
/// # Errors
/// When there is no row.
pub fn cross_fit_calibrator(
    kind: CalibratorKind,
    held_out: &HeldOut,
    task: Task,
    seed: u64,
) -> Result<HeldOut, CalibrationError> {
    let columns = Columns::new(held_out);
    if columns.is_empty() {
        return Err(CalibrationError::NoRows);
    }
    let Some(folds) = GroupFolds::new(&columns, seed) else { return Ok(held_out.clone()) };
    let predictions = cross_fitted_predictions(kind, &columns, task, &folds)?;
    Ok(in_order_of(held_out, &columns, &predictions))
}

/// Predictions in canonical order, put back beside the rows as they came.
fn in_order_of<T: Clone>(
    held_out: &HeldOut<T>,
    columns: &Columns<T>,
    predictions: &[Probabilities],
) -> HeldOut {
    held_out.map(|row, scored| predictions[columns.ids.binary_search(&scored.id).unwrap_or(row)])
}

impl PostProcessingRecipe {
    /// Fits on all rows, and judges the whole procedure on rows that it did not see.
    ///
    /// Blend weights, choice of calibrator and calibrator are fitted together without each fold and
    /// applied to it: the folds of the rows where all have one, else five seeded ones that keep groups
    /// whole. With a single group nothing is fitted.
    ///
    /// # Errors
    /// As `fit`.
    pub fn cross_fit(
        &self,
        held_out: &HeldOut<Vec<Probabilities>>,
        task: Task,
    ) -> Result<CrossFitted, CalibrationError> {
        let columns = Columns::new(held_out);
        self.check(&columns)?;
        let fitted = self.fit_columns(&columns, task)?;
        let (before, after) = match GroupFolds::new(&columns, self.seed) {
            Some(folds) => self.on_other_folds(&columns, task, &folds)?,
            None => columns
                .predictions
                .iter()
                .map(|members| (fitted.blend(members), fitted.apply(members)))
                .unzip(),
        };
        let summary = self.summarise(&columns, &before, &after, &fitted)?;
        Ok(CrossFitted {
            held_out: in_order_of(held_out, &columns, &after),
            before: in_order_of(held_out, &columns, &before),
            fitted,
            summary,
        })
    }

    /// The blended and the calibrated prediction of every row, by fits without its fold.
    fn on_other_folds(
        &self,
        columns: &Columns<Vec<Probabilities>>,
        task: Task,
        folds: &GroupFolds,
    ) -> Result<(Vec<Probabilities>, Vec<Probabilities>), CalibrationError> {
        let fits: Vec<PostProcessing> = (0..folds.count())
            .into_par_iter()
            .map(|fold| self.fit_columns(&columns.subset(&folds.split(fold).1), task))
            .collect::<Result<_, _>>()?;
        let mut next = fits.iter();
        let pairs = folds.cross_fit(|_, rows| {
            let fit = next.next().ok_or(CalibrationError::NoRows)?;
            let pair = |row: &usize| {
                let members = &columns.predictions[*row];
                (fit.blend(members), fit.apply(members))
            };
            Ok(rows.iter().map(pair).collect())
        })?;
        Ok(pairs.into_iter().unzip())
    }

    fn summarise(
        &self,
        columns: &Columns<Vec<Probabilities>>,
        before: &[Probabilities],
        after: &[Probabilities],
        fitted: &PostProcessing,
    ) -> Result<PostProcessingSummary, CalibrationError> {
        let task = fitted.task();
        let nothing = PostProcessing::nothing(fitted.weights().len(), task);
        let equal: Vec<Probabilities> =
            columns.predictions.iter().map(|members| nothing.blend(members)).collect();
        let blended = columns.with(before.to_vec());
        let mut bias = position_bias(&blended, task);
        bias.symmetry_given_up = !fitted.calibrator().kind().is_symmetric();
        let losses = |predictions: &[Probabilities]| log_losses(predictions, &columns.targets);
        let of_equal = losses(&equal);
        let calibration = paired_difference(&losses(after), &losses(before), &columns.groups);
        let blending = paired_difference(&losses(before), &of_equal, &columns.groups);
        Ok(PostProcessingSummary {
            members: members(columns, &of_equal, fitted),
            correlations: correlations(columns),
            calibrators: self.calibrators(&blended, task, fitted.calibrator())?,
            position_bias: Some(bias),
            verdict: verdict(fitted, calibration, blending),
        })
    }

    /// Every calibrator cross-fitted on the blend.
    fn calibrators(
        &self,
        blended: &Columns<Probabilities>,
        task: Task,
        shipped: &Calibrator,
    ) -> Result<Vec<Candidate>, CalibrationError> {
        let Some(folds) = GroupFolds::new(blended, self.seed) else { return Ok(Vec::new()) };
        let nothing = log_losses(&blended.predictions, &blended.targets);
        CalibratorKind::SHIPPED
            .into_iter()
            .chain([CalibratorKind::Isotonic])
            .map(|kind| {
                let losses = cross_fitted_losses(kind, blended, task, &folds)?;
                let delta = paired_difference(&losses, &nothing, &blended.groups);
                Ok(Candidate { chosen: shipped.kind() == kind, ..candidate(kind.name(), &losses, delta) })
            })
            .collect()
    }
}

fn candidate(name: &str, losses: &[f64], delta: Estimate) -> Candidate {
    Candidate {
        name: name.to_owned(),
        log_loss: mean(losses),
        delta_log_loss: delta.value,
        delta_standard_error: delta.standard_error,
        weight: None,
        chosen: false,
    }
}

/// Each member alone, against equal weights.
fn members(columns: &Columns<Vec<Probabilities>>, equal: &[f64], fitted: &PostProcessing) -> Vec<Candidate> {
    let of_member = |(member, weight): (usize, &f64)| {
        let alone: Vec<Probabilities> = columns
            .predictions
            .iter()
            .map(|members| PostProcessing::nothing(1, fitted.task()).blend(&members[member..=member]))
            .collect();
        let losses = log_losses(&alone, &columns.targets);
        let delta = paired_difference(&losses, equal, &columns.groups);
        let named = candidate(&format!("member {}", member + 1), &losses, delta);
        Candidate { weight: Some(*weight), chosen: *weight > 0.0, ..named }
    };
    fitted.weights().iter().enumerate().map(of_member).collect()
}

/// Pearson correlations of the members' log-odds of A against B; 0 with a member that never varies.
fn correlations(columns: &Columns<Vec<Probabilities>>) -> Vec<Vec<f64>> {
    let size = columns.predictions.first().map_or(0, Vec::len);
    let centred: Vec<Vec<f64>> = (0..size)
        .map(|member| {
            let odds: Vec<f64> =
                columns.predictions.iter().map(|m| super::Coordinates::of(m[member]).contrast).collect();
            let average = mean(&odds);
            odds.into_iter().map(|value| value - average).collect()
        })
        .collect();
    let product = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(x, y)| x * y).sum::<f64>();
    let correlation = |i: usize, j: usize| {
        let scale = (product(&centred[i], &centred[i]) * product(&centred[j], &centred[j])).sqrt();
        match (i == j, scale > 0.0) {
            (true, _) => 1.0,
            (false, true) => (product(&centred[i], &centred[j]) / scale).clamp(-1.0, 1.0),
            (false, false) => 0.0,
        }
    };
    (0..size).map(|i| (0..size).map(|j| correlation(i, j)).collect()).collect()
}

fn verdict(fitted: &PostProcessing, calibration: Estimate, blending: Estimate) -> String {
    let kind = fitted.calibrator().kind();
    let gain = |estimate: Estimate| format!("{:+.5} +- {:.5} nats", estimate.value, estimate.standard_error);
    let of_calibration = match kind {
        CalibratorKind::Identity => "calibration buys nothing here".to_owned(),
        _ if calibration.value > -calibration.standard_error => {
            format!("calibration buys nothing here that is certain ({}: {})", kind.name(), gain(calibration))
        }
        _ => format!("calibration by {} changes the held-out log loss by {}", kind.name(), gain(calibration)),
    };
    let at_bound = match fitted.calibrator() {
        Calibrator::Temperature(temperature) if temperature.at_bound => "; the temperature is at its bound",
        _ => "",
    };
    if fitted.weights().len() < 2 {
        return format!("{of_calibration}{at_bound}");
    }
    format!("{of_calibration}{at_bound}; weights instead of equal ones change it by {}", gain(blending))
}

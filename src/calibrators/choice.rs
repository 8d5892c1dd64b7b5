use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{CalibrationError, CalibratorKind, position_bias};
use crate::battle::{Probabilities, Task};
use crate::metrics::{
    Columns, Groups, MIN_RELIABLE_GROUPS, log_losses, mean, paired_difference, student_quantile,
};

/// Folds that keep every group whole, for cross-fitting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFolds {
    of_row: Vec<usize>,
    count: usize,
}

/// How many folds rows without any get.
const FOLDS: usize = 5;

impl GroupFolds {
    /// The folds that the rows carry where all do; else seeded ones, dealt group by group to the fold
    /// with the fewest rows. `None` when there are fewer than two groups to hold out.
    #[must_use]
    pub fn new<T>(columns: &Columns<T>, seed: u64) -> Option<Self> {
        let labels: BTreeSet<u32> = columns.folds.iter().flatten().copied().collect();
        let complete = columns.folds.iter().all(Option::is_some);
        if complete && labels.len() > 1 {
            let number =
                |fold: &Option<u32>| labels.iter().position(|label| Some(*label) == *fold).unwrap_or(0);
            let of_row = columns.folds.iter().map(number).collect();
            return Some(Self { of_row, count: labels.len() });
        }
        Self::seeded(&columns.groups, seed)
    }

    fn seeded(groups: &Groups, seed: u64) -> Option<Self> {
        let count = groups.count().min(FOLDS);
        if count < 2 {
            return None;
        }
        let mut order: Vec<usize> = (0..groups.count()).collect();
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        for last in (1..order.len()).rev() {
            order.swap(last, generator.random_range(0..=last));
        }
        let sizes = groups.sizes();
        let mut filled = vec![0.0_f64; count];
        let mut fold_of_group = vec![0; groups.count()];
        for group in order {
            let emptiest =
                (0..count).fold(0, |best, fold| if filled[fold] < filled[best] { fold } else { best });
            filled[emptiest] += sizes[group];
            fold_of_group[group] = emptiest;
        }
        Some(Self { of_row: groups.of_rows().iter().map(|group| fold_of_group[*group]).collect(), count })
    }

    /// How many folds there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The rows of a fold, and the others.
    #[must_use]
    pub fn split(&self, fold: usize) -> (Vec<usize>, Vec<usize>) {
        (0..self.of_row.len()).partition(|row| self.of_row[*row] == fold)
    }

    /// One value a row, each computed without the row's own fold: `held_out(train, rows)` gives the
    /// values of `rows` from what it learns on `train`.
    ///
    /// # Errors
    /// What `held_out` gives.
    pub fn cross_fit<U: Clone, E>(
        &self,
        mut held_out: impl FnMut(&[usize], &[usize]) -> Result<Vec<U>, E>,
    ) -> Result<Vec<U>, E> {
        let mut values: Vec<(usize, U)> = Vec::with_capacity(self.of_row.len());
        for fold in 0..self.count {
            let (rows, train) = self.split(fold);
            values.extend(rows.iter().copied().zip(held_out(&train, &rows)?));
        }
        values.sort_by_key(|(row, _)| *row);
        Ok(values.into_iter().map(|(_, value)| value).collect())
    }
}

/// How many standard errors a gain must exceed to be worth more parameters: one (Breiman et al. 1984).
/// With under 30 groups the error itself is a guess, and it takes what Student's t asks at 5 %.
pub(super) fn errors_worth_it(groups: &Groups) -> f64 {
    if groups.count() < MIN_RELIABLE_GROUPS {
        student_quantile(0.975, groups.count().saturating_sub(1) as f64)
    } else {
        1.0
    }
}

/// The first candidate, from simple to complex, whose mean loss is not more than one standard error
/// (of the paired difference, clustered by group; more with under 30 groups) above that of the best.
/// `losses` holds one loss a row for each candidate.
#[must_use]
pub fn simplest_within_one_standard_error(losses: &[Vec<f64>], groups: &Groups) -> usize {
    let means: Vec<f64> = losses.iter().map(|of_candidate| mean(of_candidate)).collect();
    let best = (0..means.len()).fold(0, |best, i| if means[i] < means[best] { i } else { best });
    (0..best)
        .find(|candidate| {
            let behind = paired_difference(&losses[*candidate], &losses[best], groups);
            behind.value <= errors_worth_it(groups) * behind.standard_error
        })
        .unwrap_or(best)
}

/// The losses of a kind of calibrator on every row, each fitted on the other folds.
pub(super) fn cross_fitted_losses(
    kind: CalibratorKind,
    columns: &Columns<Probabilities>,
    task: Task,
    folds: &GroupFolds,
) -> Result<Vec<f64>, CalibrationError> {
    let predictions = cross_fitted_predictions(kind, columns, task, folds)?;
    Ok(log_losses(&predictions, &columns.targets))
}

/// The calibrated predictions of every row, each by a calibrator fitted on the other folds.
pub(super) fn cross_fitted_predictions(
    kind: CalibratorKind,
    columns: &Columns<Probabilities>,
    task: Task,
    folds: &GroupFolds,
) -> Result<Vec<Probabilities>, CalibrationError> {
    folds.cross_fit(|train, rows| {
        let calibrator = kind.fit_columns(&columns.subset(train), task)?;
        Ok(rows.iter().map(|row| calibrator.apply(columns.predictions[*row], task)).collect())
    })
}

/// The p-value below which the position-bias test rejects.
pub(super) const POSITION_BIAS_LEVEL: f64 = 0.05;

/// The kind that `auto` stands for on these rows: the simplest symmetric one within one standard error
/// of the best; an asymmetric one only where the position-bias test rejects and its cross-fitted gain
/// over that exceeds one standard error.
pub(super) fn choose_calibrator(
    columns: &Columns<Probabilities>,
    task: Task,
    seed: u64,
) -> Result<CalibratorKind, CalibrationError> {
    let Some(folds) = GroupFolds::new(columns, seed) else { return Ok(CalibratorKind::Identity) };
    let losses = |kinds: &[CalibratorKind]| -> Result<Vec<Vec<f64>>, CalibrationError> {
        kinds.iter().map(|kind| cross_fitted_losses(*kind, columns, task, &folds)).collect()
    };
    let (symmetric, asymmetric): (Vec<_>, Vec<_>) =
        CalibratorKind::SHIPPED.into_iter().partition(|kind| kind.is_symmetric());
    let of_symmetric = losses(&symmetric)?;
    let chosen = simplest_within_one_standard_error(&of_symmetric, &columns.groups);
    if position_bias(columns, task).p_value >= POSITION_BIAS_LEVEL {
        return Ok(symmetric[chosen]);
    }
    let of_asymmetric = losses(&asymmetric)?;
    let rival = simplest_within_one_standard_error(&of_asymmetric, &columns.groups);
    let gain = paired_difference(&of_asymmetric[rival], &of_symmetric[chosen], &columns.groups);
    let margin = errors_worth_it(&columns.groups) * gain.standard_error;
    Ok(if gain.value < -margin { asymmetric[rival] } else { symmetric[chosen] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_within_its_error_does_not_pay_for_more_parameters() {
        let of = |n: usize, two: [f64; 2]| -> Vec<f64> { two.into_iter().cycle().take(n).collect() };
        let chosen = |n: usize, rival: [f64; 2]| {
            simplest_within_one_standard_error(&[of(n, [1.0, 1.0]), of(n, rival)], &Groups::of_single_rows(n))
        };
        assert_eq!(chosen(40, [0.0, 1.9]), 0);
        assert_eq!(chosen(40, [0.5, 0.4]), 1);
        // A gain of 1.5 standard errors is worth it with 40 groups and not with 10.
        assert_eq!((chosen(40, [0.0, 1.6]), chosen(10, [0.0, 1.3])), (1, 0));
        let groups = Groups::of_single_rows(4);
        assert_eq!(simplest_within_one_standard_error(&[], &groups), 0);
    }

    #[test]
    fn seeded_folds_keep_groups_whole_and_sizes_even() {
        let names: Vec<_> = (0..100).map(|row| crate::battle::GroupId(format!("g{}", row % 20))).collect();
        let groups = Groups::new(names.iter());
        let folds = GroupFolds::seeded(&groups, 3).unwrap();
        assert_eq!(folds.count(), 5);
        for fold in 0..5 {
            let (rows, others) = folds.split(fold);
            assert_eq!(rows.len(), 20);
            assert!(
                rows.iter().all(|row| others.iter().all(|o| groups.of_rows()[*o] != groups.of_rows()[*row]))
            );
        }
        assert_eq!(GroupFolds::seeded(&Groups::of_single_rows(1), 0), None);
    }
}

//! The rows of a fit as every light learner sees them.

use std::collections::BTreeMap;

use ndarray::Array2;

use super::FitError;
use super::prior::smoothed_tie_share;
use crate::battle::{GroupId, LabeledBattle};
use crate::splits::{self, GroupedRow};

/// The rows of a fit in canonical order, without their features.
pub(in crate::learning) struct Training<'a> {
    /// Ascending by id.
    pub(in crate::learning) rows: Vec<&'a LabeledBattle>,
    /// Shares of A, B and tie, smoothed by one imagined vote in all.
    pub(in crate::learning) targets: Array2<f64>,
    pub(in crate::learning) weights: Vec<f64>,
    groups: Vec<GroupId>,
}

impl<'a> Training<'a> {
    pub(in crate::learning) fn new(train: &'a [LabeledBattle]) -> Result<Self, FitError> {
        if train.is_empty() {
            return Err(FitError::NoBattles);
        }
        let groups_as_given = splits::groups(train);
        let mut order: Vec<usize> = (0..train.len()).collect();
        order.sort_by(|one, other| train[*one].battle.id.cmp(&train[*other].battle.id));
        let rows: Vec<&LabeledBattle> = order.iter().map(|row| &train[*row]).collect();
        let groups = order.iter().map(|row| groups_as_given[*row].clone()).collect();
        // As the prior does it: the fit is finite when a class is absent, and without features it is
        // the prior.
        let whole = smoothed_tie_share(1.0, rows.len());
        let none = smoothed_tie_share(0.0, rows.len());
        let targets = Array2::from_shape_fn((rows.len(), 3), |(row, class)| {
            let share = rows[row].target.to_array()[class];
            if class == 2 { none + (whole - none) * share } else { 0.5 * none + (whole - none) * share }
        });
        let weights = rows.iter().map(|row| row.weight).collect();
        Ok(Self { rows, targets, weights, groups })
    }

    /// The number of each row's group; groups are numbered in the order of their names.
    pub(in crate::learning) fn group_numbers(&self) -> (Vec<usize>, usize) {
        let names: BTreeMap<&GroupId, usize> = self.groups.iter().map(|group| (group, 0)).collect();
        let names: BTreeMap<&GroupId, usize> = names.into_keys().zip(0..).collect();
        (self.groups.iter().map(|group| names[group]).collect(), names.len())
    }

    /// The inner fold of each row: by group, or by row where all rows are one group; empty where there
    /// is but one row.
    pub(in crate::learning) fn folds(&self, folds: u32, seed: u64) -> Result<Vec<u32>, FitError> {
        if self.rows.len() < 2 {
            return Ok(Vec::new());
        }
        let (_, groups) = self.group_numbers();
        let alone: Vec<GroupId> = self.rows.iter().map(|row| GroupId(row.battle.id.0.clone())).collect();
        let (names, count) = if groups > 1 { (&self.groups, groups) } else { (&alone, self.rows.len()) };
        let rows: Vec<GroupedRow<'_>> = self
            .rows
            .iter()
            .zip(names)
            .map(|(row, group)| GroupedRow { id: &row.battle.id, group, target: row.target })
            .collect();
        let folds = folds.clamp(2, u32::try_from(count).unwrap_or(u32::MAX).max(2));
        splits::assign(&rows, folds, seed)
            .map_err(|error| FitError::Failed(format!("no inner folds to make choices on: {error}")))
    }
}

/// The mean difference of two held-out losses, given as sums over each group of `sizes` rows, and its
/// standard error clustered by group.
pub(in crate::learning) fn clustered_difference(one: &[f64], other: &[f64], sizes: &[f64]) -> (f64, f64) {
    let total: f64 = sizes.iter().sum();
    let differences: Vec<f64> = one.iter().zip(other).map(|(one, other)| one - other).collect();
    let mean = differences.iter().sum::<f64>() / total;
    let squares: f64 =
        differences.iter().zip(sizes).map(|(difference, size)| (difference - size * mean).powi(2)).sum();
    let count = sizes.len() as f64;
    let correction = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
    (mean, (correction * squares).sqrt() / total)
}

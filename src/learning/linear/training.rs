use std::collections::BTreeMap;

use ndarray::Array2;

use super::{LinearRecipe, feature_set};
use crate::battle::{Battle, GroupId, LabeledBattle};
use crate::features::{FeatureSet, Lexical, LexicalMatrices};
use crate::learning::FitError;
use crate::learning::prior::smoothed_tie_share;
use crate::predictors::linear::{Matrix, Scaler, SoftmaxRecords};
use crate::splits::{self, GroupedRow};

/// The rows of a fit in canonical order, without their features.
pub(super) struct Training<'a> {
    /// Ascending by id.
    pub(super) rows: Vec<&'a LabeledBattle>,
    /// Shares of A, B and tie, smoothed by one imagined vote in all.
    pub(super) targets: Array2<f64>,
    pub(super) weights: Vec<f64>,
    groups: Vec<GroupId>,
}

impl<'a> Training<'a> {
    pub(super) fn new(train: &'a [LabeledBattle]) -> Result<Self, FitError> {
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
    pub(super) fn group_numbers(&self) -> (Vec<usize>, usize) {
        let names: BTreeMap<&GroupId, usize> = self.groups.iter().map(|group| (group, 0)).collect();
        let names: BTreeMap<&GroupId, usize> = names.into_keys().zip(0..).collect();
        (self.groups.iter().map(|group| names[group]).collect(), names.len())
    }

    /// The inner fold of each row: by group, or by row where all rows are one group; empty where there
    /// is but one row.
    pub(super) fn folds(&self, folds: u32, seed: u64) -> Result<Vec<u32>, FitError> {
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
            .map_err(|error| FitError::Failed(format!("no inner folds to choose the penalties on: {error}")))
    }
}

/// The features of the training rows, with what is needed to compute them again.
pub(super) struct Features {
    pub(super) set: FeatureSet,
    pub(super) scaler: Scaler,
    pub(super) vocabulary: Option<Lexical>,
    odd: Array2<f64>,
    even: Array2<f64>,
    lexical: LexicalMatrices,
}

impl Features {
    pub(super) fn new(recipe: &LinearRecipe, training: &Training<'_>) -> Result<Self, FitError> {
        let battles: Vec<&Battle> = training.rows.iter().map(|row| &row.battle).collect();
        let set = feature_set(recipe);
        let dense = set.extract(&battles);
        let scaler = Scaler::fit(&dense, &set.columns())
            .map_err(|error| FitError::Failed(format!("the features cannot be scaled: {error}")))?;
        let (odd, even) = scaler.transform(&dense);
        let vocabulary = recipe.use_lexical.then(|| recipe.lexical.fit(&battles));
        let lexical = vocabulary.as_ref().map_or_else(
            || {
                let empty = || sprs::CsMatI::zero((battles.len(), 0));
                LexicalMatrices { odd: empty(), even: empty() }
            },
            |vocabulary| vocabulary.transform(&battles),
        );
        Ok(Self { set, scaler, vocabulary, odd, even, lexical })
    }

    /// Four blocks: odd dense, odd lexical, even dense, even lexical.
    pub(super) fn records(&self) -> Result<SoftmaxRecords<'_>, FitError> {
        SoftmaxRecords::swap_equivariant(
            self.odd.nrows(),
            vec![Matrix::double(&self.odd), Matrix::Sparse(&self.lexical.odd)],
            vec![Matrix::double(&self.even), Matrix::Sparse(&self.lexical.even)],
        )
        .ok_or_else(|| FitError::Failed("dense and lexical features differ in their rows".to_owned()))
    }
}

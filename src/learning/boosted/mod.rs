//! The learner of gradient-boosted trees.

#[cfg(feature = "boosted")]
mod curve;
#[cfg(feature = "boosted")]
mod grow;
#[cfg(feature = "boosted")]
mod loss;

use serde::{Deserialize, Serialize};

use super::{FitContext, FitError, Learner};
use crate::battle::LabeledBattle;
use crate::features::FeatureGroup;
use crate::predictors::{Boosted, BoostedNotBuilt, Predictor};

/// The recipe of gradient-boosted trees.
///
/// Two trees are grown a round, one for the contrast of A against B and one for the logit of a tie,
/// on every battle in both orders. The number of rounds is chosen on inner folds grouped by prompt
/// and session; where none helps there, the result is the prior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoostedRecipe {
    /// The groups of features; all unless said otherwise.
    pub groups: Vec<FeatureGroup>,
    /// The most rounds that are tried.
    pub max_rounds: u32,
    /// An inner fit ends after this many rounds in a row that were no better than the best.
    pub idle_rounds: u32,
    /// How much of each step is taken, above 0 and at most 1.
    pub learning_rate: f64,
    /// Leaves of a tree, at least 2.
    pub leaves: u32,
    /// A leaf holds at least about this many battles of average uncertainty.
    pub min_leaf_battles: f64,
    /// The share of rows that each tree sees, above 0 and at most 1.
    pub row_share: f64,
    /// The share of columns that each tree sees, above 0 and at most 1.
    pub column_share: f64,
    /// The squared penalty on the value of a leaf, in battles of average uncertainty.
    pub leaf_penalty: f64,
    /// Inner folds to choose the number of rounds on; fewer where there are fewer groups.
    pub inner_folds: u32,
    /// Fewer rounds are preferred while their held-out loss is within this many standard errors
    /// (clustered by group) of the best.
    pub patience: f64,
}

impl Default for BoostedRecipe {
    fn default() -> Self {
        Self {
            groups: FeatureGroup::ALL.to_vec(),
            max_rounds: 160,
            idle_rounds: 25,
            learning_rate: 0.1,
            leaves: 10,
            min_leaf_battles: 20.0,
            row_share: 0.5,
            column_share: 0.2,
            leaf_penalty: 20.0,
            inner_folds: 3,
            patience: 0.25,
        }
    }
}

/// A value of a recipe is outside its range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{key} = {value}` of the boosted predictor must be {range}")]
pub struct OutOfRange {
    /// The key in the configuration.
    pub key: &'static str,
    /// What was given.
    pub value: f64,
    /// What is allowed, in words.
    pub range: &'static str,
}

impl BoostedRecipe {
    /// Checks every value; a configuration asks before long work begins.
    ///
    /// # Errors
    /// `OutOfRange` for the first value that is not allowed.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let share = |key, value: f64| (key, value, value > 0.0 && value <= 1.0, "above 0 and at most 1");
        let positive = |key, value: f64| (key, value, (0.0..1e9).contains(&value), "a number from 0 on");
        let count = |key, value: u32, least: u32, range| (key, f64::from(value), value >= least, range);
        let checks = [
            share("learning_rate", self.learning_rate),
            share("row_share", self.row_share),
            share("column_share", self.column_share),
            positive("min_leaf_battles", self.min_leaf_battles),
            positive("leaf_penalty", self.leaf_penalty),
            positive("patience", self.patience),
            count("leaves", self.leaves, 2, "at least 2"),
            count("leaves", u32::from(self.leaves <= 4_096), 1, "at most 4096"),
            count("inner_folds", self.inner_folds, 2, "at least 2"),
            count("max_rounds", u32::from(self.max_rounds <= 100_000), 1, "at most 100000"),
            count("idle_rounds", self.idle_rounds, 1, "at least 1"),
        ];
        match checks.into_iter().find(|(_, _, allowed, _)| !allowed) {
            Some((key, value, _, range)) => Err(OutOfRange { key, value, range }),
            None => Ok(()),
        }
    }
}

/// Learns a [`Boosted`] predictor.
#[derive(Clone, Debug, PartialEq)]
pub struct BoostedLearner {
    recipe: BoostedRecipe,
}

impl BoostedLearner {
    /// A learner, if this program can grow trees.
    ///
    /// # Errors
    /// `BoostedNotBuilt` when the cargo feature `boosted` is missing.
    pub fn new(recipe: BoostedRecipe) -> Result<Self, BoostedNotBuilt> {
        Boosted::available()?;
        Ok(Self { recipe })
    }
}

impl Learner for BoostedLearner {
    #[cfg(feature = "boosted")]
    fn fit(&self, train: &[LabeledBattle], context: &FitContext<'_>) -> Result<Box<dyn Predictor>, FitError> {
        self.recipe.check().map_err(|error| FitError::Failed(error.to_string()))?;
        Ok(Box::new(grow::fit(&self.recipe, train, context)?))
    }

    #[cfg(not(feature = "boosted"))]
    fn fit(&self, _: &[LabeledBattle], _: &FitContext<'_>) -> Result<Box<dyn Predictor>, FitError> {
        Err(FitError::Failed(BoostedNotBuilt.to_string()))
    }
}

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FitContext, FitError, Learner};
use crate::battle::{LabeledBattle, Probabilities};
use crate::predictors::{Fixed, Predictor, Prior};

/// Learns the weighted shares of the classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorLearner {}

impl Learner for PriorLearner {
    fn fit(&self, train: &[LabeledBattle], _: &FitContext<'_>) -> Result<Box<dyn Predictor>, FitError> {
        let mut rows: Vec<&LabeledBattle> = train.iter().collect();
        rows.sort_by(|first, second| first.battle.id.cmp(&second.battle.id));
        let mut shares = [0.0; 3];
        for row in &rows {
            for (share, target) in shares.iter_mut().zip(row.target.to_array()) {
                *share += row.weight * target;
            }
        }
        let sum: f64 = shares.iter().sum();
        let probabilities = Probabilities::new(shares.map(|share| share / sum)).map_err(|_| FitError::NoBattles)?;
        Ok(Box::new(Prior { probabilities }))
    }
}

/// A test double that learns nothing: the predictions stand in the configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedLearner {
    /// The prediction of each id: A, B, tie.
    pub predictions: BTreeMap<String, Probabilities>,
}

impl Learner for FixedLearner {
    fn fit(&self, _: &[LabeledBattle], _: &FitContext<'_>) -> Result<Box<dyn Predictor>, FitError> {
        Ok(Box::new(Fixed { predictions: self.predictions.clone() }))
    }
}

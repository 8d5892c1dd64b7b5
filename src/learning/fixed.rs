use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FitContext, FitError, Learner};
use crate::battle::{LabeledBattle, Probabilities};
use crate::predictors::{Fixed, Predictor};

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

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::{FitContext, FitError, Learner};
use crate::battle::{LabeledBattle, Probabilities};
use crate::predictors::{PredictError, Predictor, Prior};

/// Learns the share of ties, and nothing else: A and B are as probable as each other, as in every
/// predictor that commutes with an exchange of the sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorLearner {}

/// The share of ties among `rows` battles of which `share` are ties, with half a tie in one battle
/// added (the prior of Jeffreys): a class that was never seen is improbable, not impossible.
pub(crate) fn smoothed_tie_share(share: f64, rows: usize) -> f64 {
    (share * rows as f64 + 0.5) / (rows as f64 + 1.0)
}

impl Learner for PriorLearner {
    fn fit(&self, train: &[LabeledBattle], context: &FitContext<'_>) -> Result<Box<dyn Predictor>, FitError> {
        if context.stop.load(Ordering::Relaxed) {
            return Err(FitError::Stopped);
        }
        // In the order of the ids, so that the order of the file changes no bit of the sums.
        let mut rows: Vec<&LabeledBattle> = train.iter().collect();
        rows.sort_by(|one, other| one.battle.id.cmp(&other.battle.id));
        let total: f64 = rows.iter().map(|row| row.weight).sum();
        if rows.is_empty() || total <= 0.0 || !total.is_finite() {
            return Err(FitError::NoBattles);
        }
        let ties: f64 = rows.iter().map(|row| row.weight * row.target.to_array()[2]).sum();
        let tie = smoothed_tie_share(ties / total, rows.len());
        let side = 0.5 * (1.0 - tie);
        let probabilities = Probabilities::new([side, side, tie])
            .map_err(|source| PredictError::NotProbabilities { id: "prior".to_owned(), source })?;
        Ok(Box::new(Prior { probabilities }))
    }
}

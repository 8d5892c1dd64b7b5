use serde::{Deserialize, Serialize};

use super::{PredictError, PredictRun, Predictor, SavedPredictor};
use crate::battle::{Battle, Probabilities};

/// The same probabilities for every battle: what one knows without reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// The shares of the classes in training.
    pub probabilities: Probabilities,
}

impl Predictor for Prior {
    fn predict(&self, battles: &[Battle], run: &mut dyn PredictRun) -> Result<(), PredictError> {
        for row in 0..battles.len() {
            run.emit(row, self.probabilities);
        }
        Ok(())
    }

    fn saved(&self) -> SavedPredictor {
        SavedPredictor::Prior(self.clone())
    }
}

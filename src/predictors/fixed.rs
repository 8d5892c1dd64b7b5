use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PredictError, PredictRun, Predictor, SavedPredictor};
use crate::battle::{Battle, Probabilities};

/// A test double: predictions looked up by id. A battle that it does not know is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixed {
    /// The prediction of each id.
    pub predictions: BTreeMap<String, Probabilities>,
}

impl Predictor for Fixed {
    fn predict(&self, battles: &[Battle], run: &mut dyn PredictRun) -> Result<(), PredictError> {
        for (row, battle) in battles.iter().enumerate() {
            let Some(probabilities) = self.predictions.get(&battle.id.0) else {
                return Err(PredictError::Unusable(format!(
                    "the fixed predictor knows no battle `{}`",
                    battle.id
                )));
            };
            run.emit(row, *probabilities);
        }
        Ok(())
    }

    fn saved(&self) -> SavedPredictor {
        SavedPredictor::Fixed(self.clone())
    }
}

use super::{PredictError, PredictRun, Predictor, SavedPredictor, predict_all};
use crate::battle::Battle;

/// Asks another predictor in both orders and takes the mean, which removes any position bias.
pub struct SwapAverage(pub Box<dyn Predictor>);

impl Predictor for SwapAverage {
    fn predict(&self, battles: &[Battle], run: &mut dyn PredictRun) -> Result<(), PredictError> {
        let swapped: Vec<Battle> = battles.iter().map(Battle::swapped).collect();
        let forward = predict_all(self.0.as_ref(), battles)?;
        let backward = predict_all(self.0.as_ref(), &swapped)?;
        for (row, (forward, backward)) in forward.into_iter().zip(backward).enumerate() {
            run.emit(row, forward.mean(backward.swapped()));
        }
        Ok(())
    }

    fn saved(&self) -> SavedPredictor {
        SavedPredictor::SwapAverage { inner: Box::new(self.0.saved()) }
    }
}

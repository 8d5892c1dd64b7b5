//! What the members of a run cost: tokens and seconds a pair.

use std::time::Instant;

use crate::battle::{Battle, LabeledBattle};
use crate::evaluation::PairCost;
use crate::predictors::language_model::{ModelInUse, Serving};
use crate::predictors::{PredictError, SavedPredictor, predict_all};

/// Battles on which a light predictor is timed.
const SAMPLE: usize = 512;

/// The cost of a member from its shipped fits: of a language model what the cross-validation measured, of a light
/// predictor the seconds that a sample takes now. A model that was trained on the way is not measured.
pub(super) fn of_member(
    fits: &[SavedPredictor],
    competition: &[LabeledBattle],
    serving: &Serving,
) -> Result<PairCost, PredictError> {
    let in_use = serving.in_use();
    let Some(first) = fits.first() else { return Ok(PairCost::default()) };
    let models = first.models();
    if models.is_empty() {
        let sample: Vec<Battle> = competition.iter().take(SAMPLE).map(|row| row.battle.clone()).collect();
        let predictor = first.clone().load(serving)?;
        let started = Instant::now();
        predict_all(predictor.as_ref(), &sample)?;
        let seconds = started.elapsed().as_secs_f64() / sample.len().max(1) as f64;
        return Ok(PairCost { tokens: None, seconds: Some(seconds * fits.len() as f64) });
    }
    // All fits of an imported model ask it the same, once.
    let costs = models.iter().map(|model| {
        let same =
            |used: &&ModelInUse| used.folder == model.folder && used.max_tokens == model.budget.max_tokens;
        in_use.iter().find(same).and_then(|used| used.cost)
    });
    let Some(costs) = costs.collect::<Option<Vec<_>>>() else { return Ok(PairCost::default()) };
    Ok(PairCost {
        tokens: Some(costs.iter().map(|cost| cost.tokens_per_pair).sum()),
        seconds: costs.iter().map(|cost| cost.seconds_per_pair).sum(),
    })
}

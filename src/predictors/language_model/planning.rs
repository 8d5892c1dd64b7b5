//! How long a model would take for battles like some that are at hand.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{LanguageModel, LanguageModelError, Runner, dry_run, scaled};
use crate::battle::Battle;
use crate::encoding::Shown;
use crate::predictors::PlannedRows;

/// The forecast of one language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecasted {
    /// The model.
    pub model: String,
    /// Battles of the run.
    pub rows: usize,
    /// Their sequences.
    pub sequences: usize,
    /// Tokens of the sequences, without padding.
    pub tokens: usize,
    /// Tokens with padding.
    pub padded_tokens: usize,
    /// Batches.
    pub batches: usize,
    /// Seconds for the tokens.
    pub tokenization_seconds: f64,
    /// Seconds from the first batch to the last result.
    pub model_seconds: f64,
    /// Mean relative error of the model of speed on the batches that were measured.
    pub relative_error: f64,
}

impl LanguageModel {
    /// Tokenizes the battles, computes a sample of their batches, the longest among them, and forecasts the
    /// whole; nothing that was computed is kept.
    ///
    /// # Errors
    /// `LanguageModelError` when a battle of the sample cannot be computed.
    pub fn forecast(&self, plan: &PlannedRows<'_>) -> Result<Option<Forecasted>, LanguageModelError> {
        let battles: Vec<&Battle> = plan.battles.iter().collect();
        let started = Instant::now();
        let items = self.encoded(&battles, plan.progress)?.items;
        let factor = plan.rows as f64 / battles.len().max(1) as f64;
        let tokenization_seconds = started.elapsed().as_secs_f64() * factor;
        let measured = items.lengths();
        let planned = if plan.rows == battles.len() {
            measured.clone()
        } else {
            let per_row = measured.len() as f64 / battles.len().max(1) as f64;
            scaled(&measured, rounded(plan.rows as f64 * per_row))
        };
        let head = |values: &[f32], length: usize| self.numbers(values, length);
        let runner = Runner { pool: &self.pool, sequences: &items, head: &head };
        let options = self.schedule(false);
        let Some((speed, forecast)) = dry_run(&runner, &measured, &planned, &options)
            .map_err(|error| LanguageModelError::of_run(error, |item| named(&battles, items.origin(item))))?
        else {
            return Ok(None);
        };
        Ok(Some(Forecasted {
            model: self.folder.named.display().to_string(),
            rows: plan.rows,
            sequences: planned.len(),
            tokens: planned.iter().sum(),
            padded_tokens: forecast.padded_tokens,
            batches: forecast.batches,
            tokenization_seconds,
            model_seconds: forecast.seconds,
            relative_error: speed.relative_error,
        }))
    }
}

fn named(battles: &[&Battle], origin: Option<(usize, Shown)>) -> (String, Shown) {
    let (battle, shown) = origin.unwrap_or((usize::MAX, Shown::Ab));
    (battles.get(battle).map(|battle| battle.id.to_string()).unwrap_or_default(), shown)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of sequences")]
fn rounded(count: f64) -> usize {
    count.round() as usize
}

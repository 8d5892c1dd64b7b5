//! Gradient-boosted trees over the features, averaged over both orders of the responses.

#[cfg(feature = "boosted")]
mod engine;
#[cfg(not(feature = "boosted"))]
#[path = "engine_absent.rs"]
mod engine;

use serde::{Deserialize, Serialize};

use super::{PredictError, PredictRun, Predictor, SavedPredictor};
use crate::battle::{Battle, Probabilities};
use crate::features::{FeatureSet, TreeRows};

/// Battles whose features are in memory at once.
const BATCH: usize = 4_096;

/// Trees for the contrast of A against B and for the logit of a tie.
///
/// With `c` and `t` the sums of the trees of a row, and `c'` and `t'` those of the row with its sides
/// exchanged, the logits are `[(c - c') / 4, (c' - c) / 4, tie + (t + t') / 2]`: exchanging the two
/// sides of a battle exchanges its probabilities, bit for bit. Without trees it is the prior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boosted {
    /// The features.
    pub features: FeatureSet,
    /// Their schema when the trees were grown.
    pub schema_hash: String,
    /// The logit of a tie before any tree.
    pub tie: f64,
    /// How many rounds of one tree each were found worth keeping.
    pub rounds: u32,
    /// The trees of both outputs as text in LightGBM's format; none where no tree is worth keeping.
    /// Several models are averaged.
    pub models: Vec<String>,
}

/// This program cannot grow or read trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this program was built without gradient boosting; `make setup` builds it with it \
     (or `cargo build --release --features boosted`)"
)]
pub struct BoostedNotBuilt;

impl Boosted {
    /// Whether this program can grow and read trees; ask before a long run is begun.
    ///
    /// # Errors
    /// `BoostedNotBuilt` when the cargo feature `boosted` is missing.
    pub fn available() -> Result<(), BoostedNotBuilt> {
        if cfg!(feature = "boosted") { Ok(()) } else { Err(BoostedNotBuilt) }
    }

    /// The predictor, if this program can run it.
    ///
    /// # Errors
    /// `PredictError::Unusable` when gradient boosting is not built in, the features have changed, or
    /// the trees cannot be read.
    pub fn checked(self: Box<Self>) -> Result<Box<dyn Predictor>, PredictError> {
        Self::available().map_err(|error| PredictError::Unusable(error.to_string()))?;
        let now = self.features.schema_hash();
        if now != self.schema_hash {
            return Err(PredictError::Unusable(format!(
                "the boosted predictor was trained on features of schema `{}`, this program computes `{now}`; train it again",
                self.schema_hash
            )));
        }
        if !self.tie.is_finite() || (self.rounds == 0) != self.models.is_empty() {
            return Err(PredictError::Unusable(
                "the saved boosted predictor is damaged: its trees and their number disagree".to_owned(),
            ));
        }
        engine::Trees::read(&self)?;
        Ok(self)
    }
}

impl Predictor for Boosted {
    fn predict(&self, battles: &[Battle], run: &mut dyn PredictRun) -> Result<(), PredictError> {
        let trees = engine::Trees::read(self)?;
        for (batch, battles) in battles.chunks(BATCH).enumerate() {
            if run.stop() {
                return Err(PredictError::Stopped);
            }
            let rows = self.features.extract_for_trees(&battles.iter().collect::<Vec<_>>());
            let margins = symmetric_margins(&trees, &rows)?;
            for (row, ([contrast, tie], battle)) in margins.into_iter().zip(battles).enumerate() {
                let logits = [contrast / 2.0, -contrast / 2.0, self.tie + tie];
                let probabilities = Probabilities::from_logits(logits)
                    .map_err(|source| PredictError::NotProbabilities { id: battle.id.0.clone(), source })?;
                run.emit(batch * BATCH + row, probabilities);
            }
        }
        Ok(())
    }

    fn saved(&self) -> SavedPredictor {
        SavedPredictor::Boosted(Box::new(self.clone()))
    }
}

/// Contrast and tie of each row: the trees' answers in both orders, made odd and even.
fn symmetric_margins(trees: &engine::Trees, rows: &TreeRows) -> Result<Vec<[f64; 2]>, PredictError> {
    let forward = trees.margins(rows)?;
    let backward = trees.margins(&rows.swapped())?;
    let both = forward.into_iter().zip(backward);
    Ok(both.map(|(one, other)| [(one[0] - other[0]) / 2.0, f64::midpoint(one[1], other[1])]).collect())
}

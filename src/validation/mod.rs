//! Cross-prediction: the maker of `HeldOut`. Assembles what each fold may learn from, fits every member
//! on every fold, and lets nobody see a row that it is judged on.

mod assembly;
mod cross;
mod fold_targets;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::battle::{BattleId, LabeledBattle, Probabilities, Task};
use crate::learning::{FitError, Learner};
use crate::predictors::{PredictError, SavedPredictor};
use crate::splits::Fold;

pub use assembly::{
    AssemblyCounts, keep_first_of_each, keep_first_of_each_battle, keep_first_of_each_prompt,
    prepare_for_task,
};
pub use cross::{average_folds, cross_fit, fit_final, prepare};
pub use fold_targets::{FoldTargets, prepare_folded_for_task};

/// Held-out predictions could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ValidationError {
    /// A member could not do its work ahead of all fits.
    #[error("predictor `{member}`: {source}")]
    Prepare {
        /// The member.
        member: String,
        /// What went wrong.
        #[source]
        source: FitError,
    },
    /// A member could not be fitted.
    #[error("predictor `{member}`, seed {seed}, {}: {source}", fold_words(*fold))]
    Fit {
        /// The member.
        member: String,
        /// Its seed.
        seed: u64,
        /// The fold held out; none for the final fit.
        fold: Option<u32>,
        /// What went wrong.
        #[source]
        source: FitError,
    },
    /// A member could not predict.
    #[error("predictor `{member}`, seed {seed}, {}: {source}", fold_words(*fold))]
    Predict {
        /// The member.
        member: String,
        /// Its seed.
        seed: u64,
        /// The fold held out; none for the final fit.
        fold: Option<u32>,
        /// What went wrong.
        #[source]
        source: PredictError,
    },
    /// The journal of finished work could not be read or written.
    #[error("{0}")]
    Journal(String),
}

fn fold_words(fold: Option<u32>) -> String {
    fold.map_or_else(|| "final fit".to_owned(), |fold| format!("fold {fold}"))
}

/// One configured predictor.
pub struct Member {
    /// How tables and files call it.
    pub name: String,
    /// How it is fitted.
    pub learner: Box<dyn Learner>,
}

/// What is learned from, in canonical order: the rows of each role sorted by id.
#[derive(Clone, Copy)]
pub struct TrainingSet<'a> {
    /// What is predicted.
    pub task: Task,
    /// The rows that are validated on.
    pub competition: &'a [LabeledBattle],
    /// Rows that are only learned from.
    pub extra: &'a [LabeledBattle],
    /// The near-duplicate cluster of the prompt of each competition row, then of each extra row.
    pub clusters: &'a [u32],
    /// Those extra rows whose target depends on the fold that is held out.
    pub by_fold: &'a BTreeMap<BattleId, FoldTargets>,
}

impl TrainingSet<'_> {
    /// An extra row as the fit of a fold, or that of all rows, learns from it; none where it has no label there.
    fn learned(&self, row: &LabeledBattle, fold: Option<u32>) -> Option<LabeledBattle> {
        let target = match self.by_fold.get(&row.battle.id) {
            None => row.target,
            Some(targets) => targets.of(fold)?,
        };
        Some(LabeledBattle { target, ..row.clone() })
    }
}

/// One piece of fitting whose result can be kept: a member, a seed and a fold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unit {
    /// The member.
    pub member: String,
    /// Its seed.
    pub seed: u64,
    /// The fold held out; none for the final fit on all rows.
    pub fold: Option<u32>,
}

/// What a unit leaves behind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UnitResult {
    /// Held-out rows (positions in the competition rows) with the logarithms of their probabilities.
    #[serde(with = "bits")]
    pub predictions: Vec<(usize, [f64; 3])>,
    /// What stood before the predictions, in the same order; empty for most predictors.
    #[serde(default, skip_serializing_if = "RawScores::is_empty")]
    pub raw: RawScores,
    /// The predictor, where it is shipped.
    pub predictor: Option<SavedPredictor>,
}

/// Logits or rewards of some rows, so that links and calibrators can be fitted again without the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawScores {
    /// The names of the numbers of a row.
    pub columns: Vec<String>,
    /// The numbers of each row, as the bits of f32: JSON does not keep all of them.
    pub bits: Vec<Vec<u32>>,
}

impl RawScores {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }
}

/// The raw numbers of one member on all competition rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemberScores {
    /// The names of the numbers of a row; none for most members.
    pub columns: Vec<String>,
    /// Per competition row its numbers; empty where there are none.
    pub rows: Vec<Vec<f32>>,
}

/// Where finished units are kept, so that an interrupted run goes on where it was.
pub trait Journal: Sync {
    /// The result of a unit that was finished earlier.
    ///
    /// # Errors
    /// `ValidationError::Journal` when the record is damaged.
    fn load(&self, unit: &Unit) -> Result<Option<UnitResult>, ValidationError>;

    /// Keeps the result of a unit; durable when it returns.
    ///
    /// # Errors
    /// `ValidationError::Journal` when it cannot be written.
    fn store(&self, unit: &Unit, result: &UnitResult) -> Result<(), ValidationError>;
}

/// The folds and what to do with them.
pub struct Plan<'a> {
    /// The folds that are trained and scored.
    pub folds: &'a [Fold],
    /// Each member is fitted once for each seed.
    pub seeds: &'a [u64],
    /// Whether the predictors of the folds are kept.
    pub keep_predictors: bool,
}

/// Held-out predictions of every member, seeds averaged.
pub struct CrossPredictions {
    /// Per competition row one prediction a member; none where the row's fold was not trained.
    pub rows: Vec<Option<Vec<Probabilities>>>,
    /// The predictors of the folds: per member, per fold, one for each seed.
    pub predictors: Vec<Vec<Vec<SavedPredictor>>>,
    /// Per fold how many extra rows had to leave its training.
    pub extra_left_out: Vec<usize>,
    /// Per member what stood before its predictions; of several seeds those of the first.
    pub raw: Vec<MemberScores>,
}

/// JSON has no minus infinity, and a resumed run must give the same bytes: logarithms are kept as bits.
mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        rows: &[(usize, [f64; 3])],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let bits: Vec<(usize, [u64; 3])> =
            rows.iter().map(|(row, ln)| (*row, ln.map(f64::to_bits))).collect();
        bits.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(usize, [f64; 3])>, D::Error> {
        let bits = Vec::<(usize, [u64; 3])>::deserialize(deserializer)?;
        Ok(bits.into_iter().map(|(row, ln)| (row, ln.map(f64::from_bits))).collect())
    }
}

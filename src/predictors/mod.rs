//! The contract of everything that turns battles into probabilities, and the trained things themselves.

mod blend;
mod boosted;
mod classifier;
mod collected;
mod fixed;
mod judge;
pub mod language_model;
pub mod linear;
mod prior;
mod reward;
mod saved_model;
mod swap_average;

use serde::{Deserialize, Serialize};

pub(crate) use blend::new_models;
pub use blend::{Blend, Pooling};
pub use boosted::{Boosted, BoostedNotBuilt};
pub use classifier::{Classifier, verdict};
pub use collected::{Collected, Conditions, PredictedRow, predict_all, predict_in_detail};
pub use fixed::Fixed;
pub use judge::Judge;
pub use linear::Linear;
pub use prior::Prior;
pub use reward::Reward;
pub use saved_model::SavedModel;
pub use swap_average::SwapAverage;

use crate::battle::{Battle, Probabilities};
use crate::progress::Progress;
use crate::ties::TieModel;
use language_model::{Deadline, Forecasted, LanguageModelError, Outcome, Serving};

/// A prediction could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// A row got no prediction, or two.
    #[error("row {row} of {rows} got {count} predictions instead of one")]
    WrongCount {
        /// Which row, from 0.
        row: usize,
        /// How many rows were asked for.
        rows: usize,
        /// How many predictions the row got.
        count: usize,
    },
    /// The numbers of one row are not probabilities.
    #[error("battle `{id}`: {source}")]
    NotProbabilities {
        /// The row.
        id: String,
        /// What is wrong with the numbers.
        #[source]
        source: crate::battle::NotProbabilities,
    },
    /// The run was asked to stop.
    #[error("stopped before the end")]
    Stopped,
    /// A language model cannot be used, or failed.
    #[error(transparent)]
    LanguageModel(Box<LanguageModelError>),
    /// The saved predictor does not fit this program, or its files are damaged.
    #[error("{0}")]
    Unusable(String),
}

impl From<LanguageModelError> for PredictError {
    fn from(error: LanguageModelError) -> Self {
        Self::LanguageModel(Box::new(error))
    }
}

/// A trained model: battles in, probabilities out.
pub trait Predictor: Send + Sync {
    /// Emits one triple per battle, in any order, and looks at `run.stop()` between batches.
    ///
    /// # Errors
    /// `PredictError` when a row cannot be predicted.
    fn predict(&self, battles: &[Battle], run: &mut dyn PredictRun) -> Result<(), PredictError>;

    /// What is needed to load it again: a tagged, serialisable recipe.
    fn saved(&self) -> SavedPredictor;

    /// The names of the numbers that it hands over as `RowDetail::raw`; none for most.
    fn raw_columns(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether it wants to see all battles of a file at once, because it sorts them by length and shows its
    /// own bar.
    fn wants_whole_file(&self) -> bool {
        false
    }

    /// Whether it computes battles anew when their sides are exchanged, at the price of the first time.
    fn reads_one_order(&self) -> bool {
        false
    }

    /// How long `plan.rows` battles like these would take each language model, where that is worth a forecast.
    ///
    /// # Errors
    /// `PredictError` when the sample cannot be computed.
    fn forecast(&self, plan: &PlannedRows<'_>) -> Result<Vec<Forecasted>, PredictError> {
        let _ = plan;
        Ok(Vec::new())
    }
}

/// A run that is only planned.
#[derive(Clone, Copy)]
pub struct PlannedRows<'a> {
    /// Battles like those of the run.
    pub battles: &'a [Battle],
    /// How many the run will have.
    pub rows: usize,
    /// Who wants to know how far it is.
    pub progress: &'a dyn Progress,
}

/// What stands behind a prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct RowDetail {
    /// Logits or rewards, one number for each of `Predictor::raw_columns`; not a number where it was not
    /// computed.
    pub raw: Vec<f32>,
    /// Whether everything was computed; `Fallback` says that the row was left out and nothing is emitted.
    pub outcome: Outcome,
}

/// Every predictor as it lies in a run directory; `load` gives it back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SavedPredictor {
    /// The same probabilities for every battle.
    Prior(Prior),
    /// A swap-equivariant softmax regression.
    Linear(Box<Linear>),
    /// Gradient-boosted trees.
    Boosted(Box<Boosted>),
    /// A test double that looks predictions up by id.
    Fixed(Fixed),
    /// The classes of a language model.
    Classifier {
        /// The model.
        model: SavedModel,
    },
    /// The verdict tokens of a causal language model.
    Judge {
        /// The model.
        model: SavedModel,
    },
    /// The rewards of a language model with a tie link.
    Reward {
        /// The model.
        model: SavedModel,
        /// From two rewards to three probabilities.
        link: TieModel,
    },
    /// The mean of both orders of another predictor.
    SwapAverage {
        /// The predictor asked twice.
        inner: Box<SavedPredictor>,
    },
    /// A weighted mean of several predictors.
    Blend {
        /// How the members are pooled.
        pooling: Pooling,
        /// One weight a member, non-negative, with sum 1.
        weights: Vec<f64>,
        /// The predictors.
        members: Vec<SavedPredictor>,
    },
}

impl SavedPredictor {
    /// The language models that it asks. Every kind stands here, so that a new one cannot be forgotten.
    #[must_use]
    pub fn models(&self) -> Vec<&SavedModel> {
        match self {
            Self::Classifier { model } | Self::Judge { model } | Self::Reward { model, .. } => vec![model],
            Self::SwapAverage { inner } => inner.models(),
            Self::Blend { members, .. } => members.iter().flat_map(Self::models).collect(),
            Self::Prior(_) | Self::Linear(_) | Self::Boosted(_) | Self::Fixed(_) => Vec::new(),
        }
    }

    /// The predictor behind the recipe; language models are opened as `serving` says.
    ///
    /// # Errors
    /// `PredictError::Unusable` when the recipe does not fit this program, `LanguageModel` when a model is not
    /// there, is another one, or cannot be run.
    pub fn load(self, serving: &Serving) -> Result<Box<dyn Predictor>, PredictError> {
        Ok(match self {
            Self::Prior(prior) => Box::new(prior),
            Self::Linear(linear) => linear,
            Self::Boosted(boosted) => boosted.checked()?,
            Self::Fixed(fixed) => Box::new(fixed),
            Self::Classifier { model } => Box::new(Classifier::new(model.open(serving)?)?),
            Self::Judge { model } => Box::new(Judge::new(model.open(serving)?)?),
            Self::Reward { model, link } => Box::new(Reward::new(model.open(serving)?, link)?),
            Self::SwapAverage { inner } => Box::new(SwapAverage(inner.load(serving)?)),
            Self::Blend { pooling, weights, members } => {
                let members =
                    members.into_iter().map(|member| member.load(serving)).collect::<Result<Vec<_>, _>>()?;
                Box::new(Blend::new(pooling, weights, members)?)
            }
        })
    }
}

/// Where a predictor puts its results and learns whether it should go on.
pub trait PredictRun {
    /// The prediction of the battle at position `row` of the slice given.
    fn emit(&mut self, row: usize, probabilities: Probabilities);
    /// What stands behind the prediction of a row.
    fn detail(&mut self, row: usize, detail: RowDetail) {
        let _ = (row, detail);
    }
    /// Whether to stop at the next batch.
    fn stop(&self) -> bool;
    /// When the last batch must be done.
    fn deadline(&self) -> Option<Deadline> {
        None
    }
    /// Who wants to know how far it is.
    fn progress(&self) -> &dyn Progress;
}

//! The contract of everything that turns battles into probabilities, and the trained things themselves.

mod blend;
mod boosted;
mod fixed;
pub mod language_model;
pub mod linear;
mod prior;
mod swap_average;

use serde::{Deserialize, Serialize};

pub use blend::{Blend, Pooling};
pub use boosted::{Boosted, BoostedNotBuilt};
pub use fixed::Fixed;
pub use linear::Linear;
pub use prior::Prior;
pub use swap_average::SwapAverage;

use crate::battle::{Battle, Probabilities};
use crate::progress::{Progress, Silent};

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
    /// The saved predictor does not fit this program, or its files are damaged.
    #[error("{0}")]
    Unusable(String),
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
    /// The predictor behind the recipe.
    ///
    /// # Errors
    /// `PredictError::Unusable` when the recipe does not fit this program.
    pub fn load(self) -> Result<Box<dyn Predictor>, PredictError> {
        Ok(match self {
            Self::Prior(prior) => Box::new(prior),
            Self::Linear(linear) => linear,
            Self::Boosted(boosted) => boosted.checked()?,
            Self::Fixed(fixed) => Box::new(fixed),
            Self::SwapAverage { inner } => Box::new(SwapAverage(inner.load()?)),
            Self::Blend { pooling, weights, members } => {
                let members = members.into_iter().map(Self::load).collect::<Result<Vec<_>, _>>()?;
                Box::new(Blend::new(pooling, weights, members)?)
            }
        })
    }
}

/// Where a predictor puts its results and learns whether it should go on.
pub trait PredictRun {
    /// The prediction of the battle at position `row` of the slice given.
    fn emit(&mut self, row: usize, probabilities: Probabilities);
    /// Whether to stop at the next batch.
    fn stop(&self) -> bool;
    /// Who wants to know how far it is.
    fn progress(&self) -> &dyn Progress;
}

/// A `PredictRun` that keeps everything in memory and checks that each row came once.
pub struct Collected<'a> {
    predictions: Vec<(usize, Probabilities)>,
    progress: &'a dyn Progress,
}

impl<'a> Collected<'a> {
    /// An empty collection.
    #[must_use]
    pub fn new(progress: &'a dyn Progress) -> Self {
        Self { predictions: Vec::new(), progress }
    }

    /// The predictions in the order of the battles.
    ///
    /// # Errors
    /// `PredictError::WrongCount` when a row came never or twice.
    pub fn finish(self, rows: usize) -> Result<Vec<Probabilities>, PredictError> {
        let mut counts = vec![0_usize; rows];
        let mut result = vec![Probabilities::UNIFORM; rows];
        for (row, probabilities) in self.predictions {
            let Some(count) = counts.get_mut(row) else {
                return Err(PredictError::WrongCount { row, rows, count: 1 });
            };
            *count += 1;
            result[row] = probabilities;
        }
        match counts.iter().position(|count| *count != 1) {
            Some(row) => Err(PredictError::WrongCount { row, rows, count: counts[row] }),
            None => Ok(result),
        }
    }
}

impl PredictRun for Collected<'_> {
    fn emit(&mut self, row: usize, probabilities: Probabilities) {
        self.predictions.push((row, probabilities));
    }

    fn stop(&self) -> bool {
        false
    }

    fn progress(&self) -> &dyn Progress {
        self.progress
    }
}

/// The predictions of all battles, in their order, without a bar.
///
/// # Errors
/// As `Predictor::predict`, and when a row came never or twice.
pub fn predict_all(
    predictor: &dyn Predictor,
    battles: &[Battle],
) -> Result<Vec<Probabilities>, PredictError> {
    let mut run = Collected::new(&Silent);
    predictor.predict(battles, &mut run)?;
    run.finish(battles.len())
}

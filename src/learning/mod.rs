//! The contract of everything that learns a predictor from battles, and the light recipes.

mod boosted;
mod fixed;
mod linear;
mod prior;
mod recipe;
pub mod softmax;
mod training;

use std::path::Path;
use std::sync::atomic::AtomicBool;

pub use boosted::{BoostedLearner, BoostedRecipe};
pub use fixed::FixedLearner;
pub use linear::{LinearLearner, LinearRecipe, PenaltyRule};
pub use prior::PriorLearner;
pub use recipe::LearnerRecipe;

use crate::battle::LabeledBattle;
use crate::predictors::{PredictError, Predictor};
use crate::progress::Progress;

/// A predictor could not be learned.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// There is nothing to learn from.
    #[error("no battle to learn from")]
    NoBattles,
    /// The fit was asked to stop.
    #[error("stopped before the end of the fit")]
    Stopped,
    /// A predictor needed on the way failed.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// The fit itself failed.
    #[error("{0}")]
    Failed(String),
}

/// What a fit is told beside its battles.
#[derive(Clone, Copy)]
pub struct FitContext<'a> {
    /// Every random choice derives from it.
    pub seed: u64,
    /// The fold that is held out, if any; for messages and file names, never for the fit itself.
    pub fold: Option<u32>,
    /// How many threads a library that does not use our pool may start.
    pub threads: usize,
    /// A folder for intermediate files.
    pub workspace: &'a Path,
    /// Set when the person asks to stop.
    pub stop: &'a AtomicBool,
    /// Who wants to know how far it is.
    pub progress: &'a dyn Progress,
}

/// A recipe that turns labelled battles into a predictor.
///
/// Fits see rows in canonical order (by id), so that the order of a file changes no bit.
pub trait Learner: Send + Sync {
    /// Learns from `train`; targets may be soft and rows weighted.
    ///
    /// # Errors
    /// `FitError` when nothing can be learned, or the fit was stopped.
    fn fit(&self, train: &[LabeledBattle], context: &FitContext<'_>) -> Result<Box<dyn Predictor>, FitError>;
}

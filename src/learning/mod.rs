//! The contract of everything that learns a predictor from battles, and the light recipes.

mod boosted;
mod classifier;
mod fixed;
mod judge;
mod linear;
mod model;
mod prior;
mod reward;
pub mod softmax;
pub mod softmax_head;
mod training;

use std::path::Path;
use std::sync::atomic::AtomicBool;

pub use boosted::{BoostedLearner, BoostedRecipe};
pub use classifier::ClassifierLearner;
pub use fixed::FixedLearner;
pub use judge::{JudgeLearner, JudgeRecipe};
pub use linear::{LinearLearner, LinearRecipe, PenaltyRule};
pub use model::ModelRecipe;
pub use prior::PriorLearner;
pub use reward::{RewardLearner, RewardRecipe, fit_link};

use crate::battle::LabeledBattle;
use crate::predictors::{PredictError, Predictor};
use crate::progress::Progress;
use crate::splits::Fold;

/// A predictor could not be learned.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// There is nothing to learn from.
    #[error("no battle to learn from")]
    NoBattles,
    /// The fit was asked to stop.
    #[error("stopped before the end of the fit; `--resume` goes on from here")]
    Stopped,
    /// A predictor needed on the way failed.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// What the recipe names cannot be used with these rows.
    #[error("{0}")]
    Input(String),
    /// The fit itself failed.
    #[error("{0}")]
    Failed(String),
}

/// What a fit is told beside its battles.
#[derive(Clone, Copy)]
pub struct FitContext<'a> {
    /// Every random choice derives from it.
    pub seed: u64,
    /// What the predictor is called; for messages and file names.
    pub member: &'a str,
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

/// The rows of a whole cross-validation, for work that is done once ahead of all fits.
#[derive(Clone, Copy)]
pub struct Ahead<'a> {
    /// Rows that some fold will predict.
    pub judged: &'a [&'a LabeledBattle],
    /// All rows that are validated on.
    pub competition: &'a [LabeledBattle],
    /// Rows that are only learned from.
    pub extra: &'a [LabeledBattle],
    /// The folds, in positions of `competition`; a row of a fold that is not trained is in none.
    pub folds: &'a [Fold],
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

    /// Does once, ahead of all fits, what depends neither on labels nor on folds, such as asking a fixed model.
    ///
    /// # Errors
    /// `FitError` when that fails or was stopped.
    fn prepare(&self, ahead: &Ahead<'_>, context: &FitContext<'_>) -> Result<(), FitError> {
        let _ = (ahead, context);
        Ok(())
    }

    /// Whether one fit takes all threads and much memory, so that fits do not run side by side.
    fn runs_alone(&self) -> bool {
        false
    }

    /// Whether the weights of the fits of several folds can be averaged to one predictor; why not, where they cannot.
    ///
    /// # Errors
    /// The reason.
    fn averages(&self) -> Result<(), String> {
        Err("its fits have no weights that fit each other".to_owned())
    }

    /// One predictor of the fits of these folds, which are still in the workspace, by the mean of their weights.
    ///
    /// # Errors
    /// `FitError` where that cannot be done.
    fn average(&self, folds: &[u32], context: &FitContext<'_>) -> Result<Box<dyn Predictor>, FitError> {
        let _ = (folds, context);
        self.averages().map_err(FitError::Input)?;
        Err(FitError::Failed("its fits cannot be averaged".to_owned()))
    }

    /// Removes what a fit left in the workspace for its predictor, which is not needed any more.
    fn discard(&self, context: &FitContext<'_>) {
        let _ = context;
    }

    /// Where it trains a language model, and why there; none where it trains none.
    fn trains_on(&self) -> Option<String> {
        None
    }

    /// The hash of what it reads beside battles and configuration; a resumed run must find the same.
    fn fingerprint(&self) -> Option<String> {
        None
    }

    /// What a report must say of predictions that come from it.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

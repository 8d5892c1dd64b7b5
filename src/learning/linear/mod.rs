//! The learner of the swap-equivariant softmax regression: features, scales, strength of
//! regularisation, weights.

mod selection;
mod training;

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use self::selection::Search;
use self::training::{Features, Training};
use super::softmax::{Limits, Problem, SoftmaxError, Transposed};
use super::{FitContext, FitError, Learner};
use crate::battle::LabeledBattle;
use crate::features::{FeatureGroup, FeatureSet, LexicalRecipe};
use crate::predictors::Predictor;
use crate::predictors::linear::{FitStatus, FittedSoftmax, LexicalWeights, Linear, Penalties};

/// The largest gradient at which the final fit ends, and its most steps.
const FINAL: Limits = Limits { tolerance: 3e-6, gain: 0.0, iterations: 400 };

/// The recipe of a linear predictor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinearRecipe {
    /// The groups of dense features; all unless said otherwise.
    pub groups: Vec<FeatureGroup>,
    /// Whether the terms of the responses are features too.
    pub use_lexical: bool,
    /// How terms are counted.
    pub lexical: LexicalRecipe,
    /// How strong the regularisation is.
    pub penalties: PenaltyRule,
}

/// Where the strength of regularisation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PenaltyRule {
    /// From inner folds of the training rows, grouped by prompt and session.
    CrossValidated {
        /// How many folds; fewer where there are fewer groups, and three from 10,000 rows on, where the
        /// choice is less noisy and its cost larger.
        folds: u32,
        /// A stronger penalty is preferred while its held-out loss is within this many standard
        /// errors (clustered by group) of the best.
        patience: f64,
    },
    /// As stated; what is not stated is not used.
    Fixed(Penalties),
}

/// From how many rows on fewer inner folds are enough.
const MANY_ROWS: usize = 10_000;
/// How many are enough then.
const FOLDS_OF_MANY_ROWS: u32 = 3;

impl Default for PenaltyRule {
    fn default() -> Self {
        Self::CrossValidated { folds: 5, patience: 0.25 }
    }
}

impl Default for LinearRecipe {
    fn default() -> Self {
        let groups = vec![
            FeatureGroup::Length,
            FeatureGroup::Formatting,
            FeatureGroup::Similarity,
            FeatureGroup::Refusal,
            FeatureGroup::Language,
            FeatureGroup::Turns,
            FeatureGroup::Degenerate,
            FeatureGroup::PromptKind,
        ];
        Self {
            groups,
            use_lexical: true,
            lexical: LexicalRecipe::default(),
            penalties: PenaltyRule::default(),
        }
    }
}

/// Learns a [`Linear`] predictor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinearLearner {
    /// What to learn from, and how.
    pub recipe: LinearRecipe,
}

impl From<SoftmaxError> for FitError {
    fn from(error: SoftmaxError) -> Self {
        Self::Failed(format!("the softmax regression cannot be fitted: {error}"))
    }
}

impl Learner for LinearLearner {
    fn fit(&self, train: &[LabeledBattle], context: &FitContext<'_>) -> Result<Box<dyn Predictor>, FitError> {
        let training = Training::new(train)?;
        let features = Features::new(&self.recipe, &training)?;
        let stopped = || context.stop.load(Ordering::Relaxed);
        if stopped() {
            return Err(FitError::Stopped);
        }
        let records = features.records()?;
        let transposed = Transposed::new(&records);
        let penalties = match self.recipe.penalties {
            PenaltyRule::Fixed(penalties) => penalties,
            PenaltyRule::CrossValidated { folds, patience } => {
                let folds = if train.len() < MANY_ROWS { folds } else { folds.min(FOLDS_OF_MANY_ROWS) };
                let inner = training.folds(folds, context.seed)?;
                Search::new(&transposed, &training, &inner)?.choose(patience, &stopped)?
            }
        };
        let problem = Problem::new(&transposed, &training.targets, training.weights.clone())?;
        let fitted = problem.solve(&in_blocks(penalties), None, FINAL).model;
        if fitted.report.status != FitStatus::Converged {
            tracing::warn!(
                "the linear fit ended before its tolerance: {:?} after {} steps, largest gradient {:e}",
                fitted.report.status,
                fitted.report.iterations,
                fitted.report.gradient
            );
        }
        Ok(Box::new(predictor(features, &fitted, penalties)))
    }
}

/// The penalties in the order of the blocks: odd dense, odd lexical, even dense, even lexical.
fn in_blocks(penalties: Penalties) -> [f64; 4] {
    [penalties.odd, penalties.lexical_odd, penalties.even, penalties.lexical_even]
        .map(|penalty| penalty.unwrap_or(f64::INFINITY))
}

fn predictor(features: Features, fitted: &FittedSoftmax, penalties: Penalties) -> Linear {
    let weights = |block: usize, penalty: Option<f64>| -> Vec<f64> {
        penalty.map_or_else(Vec::new, |_| fitted.weights[block].iter().copied().collect())
    };
    let (lexical_odd, lexical_even) = (weights(1, penalties.lexical_odd), weights(3, penalties.lexical_even));
    let lexical = features
        .vocabulary
        .filter(|_| !(lexical_odd.is_empty() && lexical_even.is_empty()))
        .map(|vocabulary| LexicalWeights { vocabulary, odd: lexical_odd, even: lexical_even });
    let mut scaler = features.scaler;
    let (odd, even) = (weights(0, penalties.odd), weights(2, penalties.even));
    scaler.odd.truncate(odd.len());
    scaler.even.truncate(even.len());
    Linear {
        schema_hash: features.set.schema_hash(),
        features: features.set,
        scaler,
        odd,
        even,
        lexical,
        tie: fitted.intercepts[1],
        penalties,
        fit: fitted.report,
    }
}

/// The dense features of a recipe.
fn feature_set(recipe: &LinearRecipe) -> FeatureSet {
    FeatureSet::new(&recipe.groups)
}

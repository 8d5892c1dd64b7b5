use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::model::{ModelRecipe, asked, warnings};
use super::{Ahead, FitContext, FitError, Learner};
use crate::battle::{Battle, HeldOut, LabeledBattle, Scored};
use crate::encoding::Truncation;
use crate::predictors::language_model::{LanguageModel, LanguageModelError, Serving};
use crate::predictors::{PredictError, Predictor, Reward};
use crate::splits;
use crate::ties::{TieFit, TieModelKind};

/// An imported reward model and the link from its scores to probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardRecipe {
    /// The folder that `tiebreak import` made.
    pub model: PathBuf,
    /// Tokens of a sequence at most; the model's own budget if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// What is left out of a longer one; the model's own rule if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncation: Option<Truncation>,
    /// Padded tokens of a batch; what suits the device if not given. Changes the speed and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_tokens: Option<usize>,
    /// From two scores to three probabilities.
    #[serde(default = "rao_kupper")]
    pub link: TieModelKind,
}

fn rao_kupper() -> TieModelKind {
    TieModelKind::RaoKupper
}

/// Fits the temperature and the ties of the link to the scores of the training rows; the model itself is
/// fixed, and was not trained on them.
pub struct RewardLearner {
    model: Arc<LanguageModel>,
    link: TieModelKind,
}

impl RewardLearner {
    /// Opens the model, so that its faults are found before any work.
    ///
    /// # Errors
    /// `LanguageModelError` when it cannot be used, or gives no scores.
    pub fn new(recipe: &RewardRecipe, serving: &Serving) -> Result<Self, LanguageModelError> {
        let RewardRecipe { model, max_tokens, truncation, batch_tokens, link } = recipe.clone();
        let recipe = ModelRecipe { model, max_tokens, truncation, orders: None, batch_tokens };
        let model = recipe.open(serving)?;
        Reward::check(&model)?;
        Ok(Self { model, link })
    }

    fn scores(
        &self,
        rows: &[&LabeledBattle],
        context: &FitContext<'_>,
        is_long: bool,
    ) -> Result<Vec<Option<[f32; 2]>>, FitError> {
        let battles: Vec<&Battle> = rows.iter().map(|row| &row.battle).collect();
        let stop = || context.stop.load(Ordering::Relaxed);
        let asked = asked(&self.model, context, &stop, is_long);
        let scores = Reward::scores(&self.model, &battles, &asked).map_err(PredictError::from)?;
        if stop() { Err(FitError::Stopped) } else { Ok(scores) }
    }
}

/// Fits a link to the scores of rows that the model was not trained on, each with its weight; rows without scores
/// are left out. `said_of` says in reports where the rows come from.
///
/// # Errors
/// `FitError::Failed` when no row is left or a score is no number.
pub fn fit_link(
    kind: TieModelKind,
    rows: &[LabeledBattle],
    scores: &[Option<[f32; 2]>],
    said_of: &str,
) -> Result<TieFit, FitError> {
    let (mut scored, mut weights) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for ((row, group), scores) in rows.iter().zip(splits::groups(rows)).zip(scores) {
        let Some(scores) = scores else { continue };
        let (id, target) = (row.battle.id.clone(), row.target);
        scored.push(Scored { id, group, fold: None, prediction: scores.map(f64::from), target });
        weights.push(row.weight);
    }
    let held_out = HeldOut::declared(scored, said_of);
    kind.fit_weighted(&held_out, &weights).map_err(|error| FitError::Failed(error.to_string()))
}

impl Learner for RewardLearner {
    fn fit(&self, train: &[LabeledBattle], context: &FitContext<'_>) -> Result<Box<dyn Predictor>, FitError> {
        let rows: Vec<&LabeledBattle> = train.iter().collect();
        let scores = self.scores(&rows, context, false)?;
        let name = self.model.folder().named.display().to_string();
        let fit = fit_link(self.link, train, &scores, &name)?;
        if fit.at_bound {
            tracing::warn!(
                "the scores of `{name}` point the wrong way or nowhere: its link hardly listens to them"
            );
        }
        let reward = Reward::new(Arc::clone(&self.model), fit.model).map_err(PredictError::from)?;
        Ok(Box::new(reward))
    }

    fn prepare(&self, ahead: &Ahead<'_>, context: &FitContext<'_>) -> Result<(), FitError> {
        let rows: Vec<&LabeledBattle> = ahead.competition.iter().chain(ahead.extra).collect();
        self.scores(&rows, context, true).map(|_| ())
    }

    fn warnings(&self) -> Vec<String> {
        warnings(&self.model)
    }
}

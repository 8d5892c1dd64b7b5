//! Every recipe that a configuration can name; stands above the stages that learn.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::finetune::{FinetuneLearner, FinetuneRecipe};
use crate::learning::{
    BoostedLearner, BoostedRecipe, ClassifierLearner, FitError, FixedLearner, JudgeLearner, JudgeRecipe,
    Learner, LinearLearner, LinearRecipe, ModelRecipe, PriorLearner, RewardLearner, RewardRecipe,
};
use crate::predictors::PredictError;
use crate::predictors::language_model::Serving;

/// Every recipe that a configuration can name, by its `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LearnerRecipe {
    /// The class shares.
    Prior(PriorLearner),
    /// Softmax regression on named features and terms.
    Linear(Box<LinearRecipe>),
    /// Gradient-boosted trees on the same features.
    Boosted(BoostedRecipe),
    /// An imported language model with one output for each verdict.
    Classifier(ModelRecipe),
    /// An imported causal language model that is asked for a verdict token.
    Judge(JudgeRecipe),
    /// An imported language model that scores each response.
    Reward(RewardRecipe),
    /// A checkpoint that is trained on the battles.
    Finetune(Box<FinetuneRecipe>),
    /// A test double.
    Fixed(FixedLearner),
}

impl LearnerRecipe {
    /// The `kind` that a configuration names it by.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Prior(_) => "prior",
            Self::Linear(_) => "linear",
            Self::Boosted(_) => "boosted",
            Self::Classifier(_) => "classifier",
            Self::Judge(_) => "judge",
            Self::Reward(_) => "reward",
            Self::Finetune(_) => "finetune",
            Self::Fixed(_) => "fixed",
        }
    }

    /// The places of models and other files that it names.
    pub fn places_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Classifier(recipe) => vec![&mut recipe.model],
            Self::Judge(recipe) => vec![&mut recipe.model],
            Self::Reward(recipe) => vec![&mut recipe.model],
            Self::Finetune(recipe) => {
                let teachers = recipe.teacher.iter_mut();
                let of_teachers =
                    teachers.flat_map(|teacher| [Some(&mut teacher.predictions), teacher.folds.as_mut()]);
                recipe.model.iter_mut().chain(of_teachers.flatten()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Asks a language model with other tokens a sequence than the recipe says.
    pub fn override_max_tokens(&mut self, max_tokens: usize) {
        match self {
            Self::Classifier(recipe) => recipe.max_tokens = Some(max_tokens),
            Self::Judge(recipe) => recipe.max_tokens = Some(max_tokens),
            Self::Reward(recipe) => recipe.max_tokens = Some(max_tokens),
            Self::Finetune(recipe) => recipe.predict_max_tokens = Some(max_tokens),
            _ => {}
        }
    }

    /// The learner behind the recipe; language models are opened as `serving` says.
    ///
    /// # Errors
    /// `FitError` when this program was built without the part that the recipe needs, or a model cannot be used.
    pub fn learner(&self, serving: &Serving) -> Result<Box<dyn Learner>, FitError> {
        Ok(match self {
            Self::Prior(learner) => Box::new(*learner),
            Self::Linear(recipe) => Box::new(LinearLearner { recipe: *recipe.clone() }),
            Self::Boosted(recipe) => {
                let failed = |error: &dyn std::fmt::Display| FitError::Failed(error.to_string());
                recipe.check().map_err(|error| failed(&error))?;
                Box::new(BoostedLearner::new(recipe.clone()).map_err(|error| failed(&error))?)
            }
            Self::Classifier(recipe) => {
                Box::new(ClassifierLearner::new(recipe, serving).map_err(PredictError::from)?)
            }
            Self::Judge(recipe) => Box::new(JudgeLearner::new(recipe, serving).map_err(PredictError::from)?),
            Self::Reward(recipe) => {
                Box::new(RewardLearner::new(recipe, serving).map_err(PredictError::from)?)
            }
            Self::Finetune(recipe) => Box::new(FinetuneLearner::new(recipe, serving)?),
            Self::Fixed(learner) => Box::new(learner.clone()),
        })
    }
}

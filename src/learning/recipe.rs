use serde::{Deserialize, Serialize};

use super::{
    BoostedLearner, BoostedRecipe, FitError, FixedLearner, Learner, LinearLearner, LinearRecipe, PriorLearner,
};

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
            Self::Fixed(_) => "fixed",
        }
    }

    /// The learner behind the recipe.
    ///
    /// # Errors
    /// `FitError` when this program was built without the part that the recipe needs.
    pub fn learner(&self) -> Result<Box<dyn Learner>, FitError> {
        Ok(match self {
            Self::Prior(learner) => Box::new(*learner),
            Self::Linear(recipe) => Box::new(LinearLearner { recipe: *recipe.clone() }),
            Self::Boosted(recipe) => {
                let failed = |error: &dyn std::fmt::Display| FitError::Failed(error.to_string());
                recipe.check().map_err(|error| failed(&error))?;
                Box::new(BoostedLearner::new(recipe.clone()).map_err(|error| failed(&error))?)
            }
            Self::Fixed(learner) => Box::new(learner.clone()),
        })
    }
}

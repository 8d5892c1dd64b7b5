//! What the recipes of imported language models have in common.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::FitContext;
use crate::encoding::{Orders, Truncation};
use crate::predictors::language_model::{
    Asked, JournalPlace, LanguageModel, LanguageModelError, ModelFolder, Serving, WantedBudget,
};

/// An imported model and the budget that it is used with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecipe {
    /// The folder that `tiebreak import` made.
    pub model: PathBuf,
    /// Tokens of a sequence at most; the model's own budget if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// What is left out of a longer one; the model's own rule if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncation: Option<Truncation>,
    /// In which orders the responses are read: `ab`, `ba` or `both`; the model's own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orders: Option<Orders>,
    /// Padded tokens of a batch; what suits the device if not given. Changes the speed and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_tokens: Option<usize>,
}

impl ModelRecipe {
    /// Opens the model, unless it is open already.
    pub(super) fn open(&self, serving: &Serving) -> Result<Arc<LanguageModel>, LanguageModelError> {
        let wanted = WantedBudget {
            max_tokens: self.max_tokens,
            truncation: self.truncation.clone(),
            orders: self.orders,
        };
        let mut serving = serving.clone();
        serving.batch_tokens = serving.batch_tokens.or(self.batch_tokens);
        ModelFolder::read(&self.model, &serving)?.open(&wanted, &serving)
    }
}

/// How a fit asks a model: results are kept in the workspace, so that an interrupted training goes on.
pub(super) fn asked<'a>(
    model: &LanguageModel,
    context: &FitContext<'a>,
    stop: &'a dyn Fn() -> bool,
    is_long: bool,
) -> Asked<'a> {
    // One model may be asked under two budgets, which are two sets of sequences.
    let budget = blake3::hash(format!("{:?}", model.fitted_budget()).as_bytes()).to_hex();
    let name = format!("{}-{}.numbers", model.folder().fingerprint, &budget.as_str()[..16]);
    let place = JournalPlace { path: context.workspace.join(name), resume: true };
    Asked { journal: is_long.then_some(place), deadline: None, stop, progress: context.progress }
}

/// What must be said of a model that was trained elsewhere.
pub(super) fn warnings(model: &LanguageModel) -> Vec<String> {
    let folder = model.folder();
    let name = folder.named.display();
    let mut warnings = vec![format!(
        "`{name}` was trained elsewhere: whether it saw these rows is not known, and if it did, the scores are \
         too good"
    )];
    if folder.card.source.fresh_head {
        warnings.push(format!(
            "THE HEAD OF `{name}` IS RANDOM: it was imported with a fresh head and never trained, so that its \
             predictions mean nothing"
        ));
    }
    warnings
}

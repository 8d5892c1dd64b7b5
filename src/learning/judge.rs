use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::classifier::{judged_ahead, tie_warning};
use super::model::{ModelRecipe, warnings};
use super::{Ahead, FitContext, FitError, Learner};
use crate::battle::LabeledBattle;
use crate::encoding::{Orders, Truncation};
use crate::predictors::language_model::{LanguageModel, LanguageModelError, Serving};
use crate::predictors::{Judge, PredictError, Predictor};

/// An imported causal language model and the verdicts that it is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeRecipe {
    /// The folder that `tiebreak import --verdict-tokens` made.
    pub model: PathBuf,
    /// The verdict tokens in the order of the outputs, as the import was told them; a blank in front counts.
    pub verdicts: Vec<String>,
    /// Tokens of a sequence at most; the model's own budget if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// What is left out of a longer one; the model's own rule if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncation: Option<Truncation>,
    /// Padded tokens of a batch; what suits the device if not given. Changes the speed and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_tokens: Option<usize>,
}

/// A judge learns nothing: what it says is blended and calibrated on held-out rows.
pub struct JudgeLearner {
    model: Arc<LanguageModel>,
}

impl JudgeLearner {
    /// Opens the model, so that its faults are found before any work.
    ///
    /// # Errors
    /// `LanguageModelError` when it cannot be used, or its verdicts are not those of the recipe.
    pub fn new(recipe: &JudgeRecipe, serving: &Serving) -> Result<Self, LanguageModelError> {
        let JudgeRecipe { model, verdicts, max_tokens, truncation, batch_tokens } = recipe.clone();
        // A judge is swap-symmetric, so that it always reads both orders.
        let orders = Some(Orders::Both);
        let model = ModelRecipe { model, max_tokens, truncation, orders, batch_tokens }.open(serving)?;
        Judge::new(Arc::clone(&model))?;
        check_verdicts(&model, &verdicts)?;
        Ok(Self { model })
    }
}

/// Whether the verdicts of the recipe are the tokens that the model was imported with, in their order.
fn check_verdicts(model: &LanguageModel, verdicts: &[String]) -> Result<(), LanguageModelError> {
    let folder = model.folder();
    let unfit = |problem| LanguageModelError::Unfit { folder: folder.named.clone(), kind: "judge", problem };
    let ids = verdicts.iter().map(|text| model.answer_token(text)).collect::<Result<Vec<u32>, _>>();
    let ids = ids.map_err(|error| unfit(error.to_string()))?;
    if folder.card.verdicts.iter().map(|verdict| verdict.id).eq(ids) {
        return Ok(());
    }
    let quoted = |texts: &mut dyn Iterator<Item = &String>| {
        texts.map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
    };
    Err(unfit(format!(
        "its verdicts are {} for {}, not {}; another choice or order needs another import",
        quoted(&mut folder.card.verdicts.iter().map(|verdict| &verdict.text)),
        folder.card.label_order().join(", "),
        quoted(&mut verdicts.iter())
    )))
}

impl Learner for JudgeLearner {
    fn fit(&self, _: &[LabeledBattle], context: &FitContext<'_>) -> Result<Box<dyn Predictor>, FitError> {
        if context.stop.load(Ordering::Relaxed) {
            return Err(FitError::Stopped);
        }
        Ok(Box::new(Judge::new(Arc::clone(&self.model)).map_err(PredictError::from)?))
    }

    fn prepare(&self, ahead: &Ahead<'_>, context: &FitContext<'_>) -> Result<(), FitError> {
        judged_ahead(&self.model, ahead, context)
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = warnings(&self.model);
        warnings.extend(tie_warning(&self.model));
        warnings
    }
}

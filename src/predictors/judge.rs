use std::sync::Arc;

use super::language_model::{Forecasted, LanguageModel, LanguageModelError};
use super::{Classifier, PlannedRows, PredictError, PredictRun, Predictor, SavedModel, SavedPredictor};
use crate::battle::Battle;
use crate::encoding::Shown;

/// A causal language model that is asked which response is better and answers with one token: the logits of the
/// verdict tokens behind the last word of the prompt, one forward pass an order, nothing generated.
///
/// The softmax over the verdict tokens, and the mean of both orders, are those of [`Classifier`]; what is more is
/// that both orders are always read, and that every verdict is one token in its place.
pub struct Judge {
    model: Arc<LanguageModel>,
    classifier: Classifier,
}

impl Judge {
    /// A model that was imported with verdict tokens and reads both orders.
    ///
    /// # Errors
    /// `LanguageModelError::Unfit` when it has a head of its own, reads one order or each response alone, or a
    /// verdict is not the one token that it must be where the answer begins.
    pub fn new(model: Arc<LanguageModel>) -> Result<Self, LanguageModelError> {
        let unfit = |problem: String| {
            let folder = model.folder().named.clone();
            Err(LanguageModelError::Unfit { folder, kind: "judge", problem })
        };
        let verdicts = &model.folder().card.verdicts;
        if verdicts.is_empty() {
            return unfit(
                "its outputs are no token logits; import the causal model with `--verdict-tokens A,B,tie`, or use \
                 `kind = \"classifier\"`"
                    .to_owned(),
            );
        }
        if model.shown() != [Shown::Ab, Shown::Ba] {
            return unfit("it must read both orders; import it with `--orders both`".to_owned());
        }
        for verdict in verdicts {
            match model.answer_token(&verdict.text) {
                Ok(id) if id == verdict.id => {}
                Ok(id) => {
                    return unfit(format!(
                        "the verdict `{}` is token {id} where the answer begins, and was imported as token {}; \
                         import it again",
                        verdict.text, verdict.id
                    ));
                }
                Err(error) => return unfit(error.to_string()),
            }
        }
        let classifier = Classifier::new(Arc::clone(&model))?;
        Ok(Self { model, classifier })
    }
}

impl Predictor for Judge {
    fn predict(&self, battles: &[Battle], run: &mut dyn PredictRun) -> Result<(), PredictError> {
        self.classifier.predict(battles, run)
    }

    fn saved(&self) -> SavedPredictor {
        SavedPredictor::Judge { model: SavedModel::of(&self.model) }
    }

    fn raw_columns(&self) -> Vec<String> {
        self.classifier.raw_columns()
    }

    fn wants_whole_file(&self) -> bool {
        true
    }

    fn reads_one_order(&self) -> bool {
        self.classifier.reads_one_order()
    }

    fn forecast(&self, plan: &PlannedRows<'_>) -> Result<Vec<Forecasted>, PredictError> {
        self.classifier.forecast(plan)
    }
}

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::model::{ModelRecipe, asked, warnings};
use super::{Ahead, FitContext, FitError, Learner};
use crate::battle::{Battle, LabeledBattle};
use crate::predictors::language_model::{LanguageModel, LanguageModelError, Serving};
use crate::predictors::{Classifier, PredictError, Predictor};

/// An imported classifier learns nothing: what it says is blended and calibrated on held-out rows.
pub struct ClassifierLearner {
    model: Arc<LanguageModel>,
}

impl ClassifierLearner {
    /// Opens the model, so that its faults are found before any work.
    ///
    /// # Errors
    /// `LanguageModelError` when it cannot be used, or is no classifier.
    pub fn new(recipe: &ModelRecipe, serving: &Serving) -> Result<Self, LanguageModelError> {
        let model = recipe.open(serving)?;
        Classifier::new(Arc::clone(&model))?;
        Ok(Self { model })
    }
}

impl Learner for ClassifierLearner {
    fn fit(&self, _: &[LabeledBattle], context: &FitContext<'_>) -> Result<Box<dyn Predictor>, FitError> {
        if context.stop.load(Ordering::Relaxed) {
            return Err(FitError::Stopped);
        }
        let classifier = Classifier::new(Arc::clone(&self.model));
        Ok(Box::new(classifier.map_err(PredictError::from)?))
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

/// Asks a fixed model once for all rows that some fold will predict.
pub(super) fn judged_ahead(
    model: &LanguageModel,
    ahead: &Ahead<'_>,
    context: &FitContext<'_>,
) -> Result<(), FitError> {
    let battles: Vec<&Battle> = ahead.judged.iter().map(|row| &row.battle).collect();
    let stop = || context.stop.load(Ordering::Relaxed);
    let asked = asked(model, context, &stop, true);
    model.numbers_of(&battles, &asked).map_err(PredictError::from)?;
    if stop() { Err(FitError::Stopped) } else { Ok(()) }
}

/// What must be said of a model of verdicts that knows no ties.
pub(super) fn tie_warning(model: &LanguageModel) -> Option<String> {
    (!model.knows_ties()).then(|| {
        format!(
            "`{}` has no output for a tie: in a three-way task it says that ties are impossible, which only a \
             calibrator or another member of the blend can mend",
            model.folder().named.display()
        )
    })
}

use std::sync::Arc;

use super::language_model::{Asked, Forecasted, LanguageModel, LanguageModelError, Outcome};
use super::{PlannedRows, PredictError, PredictRun, Predictor, RowDetail, SavedModel, SavedPredictor};
use crate::battle::Battle;
use crate::checkpoint::OutputMeaning;
use crate::ties::TieModel;

/// A language model that gives each response a score, and a link from two scores to three probabilities.
pub struct Reward {
    model: Arc<LanguageModel>,
    link: TieModel,
}

impl Reward {
    /// A model with one output that reads each response alone, and its link.
    ///
    /// # Errors
    /// `LanguageModelError::Unfit` when it gives verdicts, or reads both responses.
    pub fn new(model: Arc<LanguageModel>, link: TieModel) -> Result<Self, LanguageModelError> {
        Self::check(&model)?;
        Ok(Self { model, link })
    }

    /// Whether a model gives each response a score.
    ///
    /// # Errors
    /// `LanguageModelError::Unfit` when it does not.
    pub fn check(model: &LanguageModel) -> Result<(), LanguageModelError> {
        let problem = if *model.outputs() != [OutputMeaning::Score] {
            let names = model.folder().card.label_order().join(", ");
            format!("its outputs are {names} instead of one score; use `kind = \"classifier\"`")
        } else if !model.reads_single_responses() {
            "its template shows both responses at once; import it with `--template single`".to_owned()
        } else {
            return Ok(());
        };
        Err(LanguageModelError::Unfit { folder: model.folder().named.clone(), kind: "reward", problem })
    }

    /// The scores of the two responses of each battle, A first; `None` where there was no time.
    ///
    /// # Errors
    /// `LanguageModelError` that names the battle.
    pub fn scores(
        model: &LanguageModel,
        battles: &[&Battle],
        asked: &Asked<'_>,
    ) -> Result<Vec<Option<[f32; 2]>>, LanguageModelError> {
        let numbers = model.numbers_of(battles, asked)?;
        let scores = |row| match numbers.row(row) {
            [Some(a), Some(b)] => Some([*a.first()?, *b.first()?]),
            _ => None,
        };
        Ok((0..battles.len()).map(scores).collect())
    }
}

impl Predictor for Reward {
    fn predict(&self, battles: &[Battle], run: &mut dyn PredictRun) -> Result<(), PredictError> {
        let battles: Vec<&Battle> = battles.iter().collect();
        let scores = {
            let run: &dyn PredictRun = run;
            let stop = || run.stop();
            let asked =
                Asked { journal: None, deadline: run.deadline(), stop: &stop, progress: run.progress() };
            Self::scores(&self.model, &battles, &asked)?
        };
        if run.stop() {
            return Err(PredictError::Stopped);
        }
        for (row, (battle, scores)) in battles.iter().zip(scores).enumerate() {
            let Some(scores) = scores else {
                run.detail(row, RowDetail { raw: vec![f32::NAN; 2], outcome: Outcome::Fallback });
                continue;
            };
            run.detail(row, RowDetail { raw: scores.to_vec(), outcome: Outcome::Complete });
            let linked = self.link.probabilities(scores.map(f64::from));
            let linked =
                linked.map_err(|error| PredictError::Unusable(format!("battle `{}`: {error}", battle.id)))?;
            run.emit(row, linked);
        }
        Ok(())
    }

    fn saved(&self) -> SavedPredictor {
        SavedPredictor::Reward { model: SavedModel::of(&self.model), link: self.link }
    }

    fn raw_columns(&self) -> Vec<String> {
        vec!["score_a".to_owned(), "score_b".to_owned()]
    }

    fn wants_whole_file(&self) -> bool {
        true
    }

    fn forecast(&self, plan: &PlannedRows<'_>) -> Result<Vec<Forecasted>, PredictError> {
        Ok(self.model.forecast(plan)?.into_iter().collect())
    }
}

//! The learner over the training engine: battles in, a model folder out, which the predictors of `predictors` serve.

mod beginning;
mod examples;
mod free_memory;
mod head_only;
mod memory;
mod place;
mod recipe;
mod recipe_checks;
mod setup;
mod steps;
mod teachers;
mod training;

use std::path::Path;
use std::sync::{Arc, OnceLock};

pub use recipe::{EarlyStopping, FinetuneRecipe, HeadStart, LoraRecipe, TeacherRecipe, TuningMethod};
pub use steps::{StepRecord, steps_of};

use self::examples::Example;
use self::head_only::{SHARE_OF_PENALTY, States};
use self::place::TrainingPlace;
use self::setup::Setup;
use self::teachers::Teacher;
use self::training::{Places, Rows, Training};
use super::scratch::write_trained;
use super::{FinetuneError, Loss};
use crate::battle::{Battle, LabeledBattle};
use crate::checkpoint::OutputMeaning;
use crate::compute::Engine;
use crate::learning::{Ahead, FitContext, FitError, Learner, fit_link};
use crate::onnx;
use crate::predictors::language_model::{Asked, LanguageModel, ModelFolder, Serving, WantedBudget};
use crate::predictors::{Classifier, PredictError, Predictor, Reward};
use crate::splits::{self, GroupedRow};
use crate::ties::{TieModel, TieModelKind};

/// Rows that a reward's link is fitted to, where no early stopping keeps any back.
const SHARE_OF_LINK: f64 = 0.1;

/// Trains a checkpoint in every fold.
pub struct FinetuneLearner {
    /// From scratch that of a model that knows no word: each fit then begins with one of its own.
    setup: Setup,
    serving: Serving,
    /// None where the head alone is trained, on states that the serving device computes.
    place: Option<TrainingPlace>,
    teachers: Vec<Teacher>,
    states: States,
    /// As the first fit found it: what a fit gives back, the allocator may keep for the next one.
    free_memory: OnceLock<Option<u64>>,
}

impl FinetuneLearner {
    /// Opens checkpoint, tokenizer and teachers, so that their faults are found before any work.
    ///
    /// # Errors
    /// `FinetuneError` names what cannot be used.
    pub fn new(recipe: &FinetuneRecipe, serving: &Serving) -> Result<Self, FinetuneError> {
        recipe.check()?;
        let trains = recipe.method != TuningMethod::Head;
        let place = trains.then(|| TrainingPlace::chosen(serving)).transpose()?;
        // Asked of only when a model is trained, which may take hours.
        onnx::find_library_for(serving.device.kind())?;
        let setup = beginning::opened(recipe, serving)?;
        let teachers = recipe.teacher.iter().map(Teacher::read).collect::<Result<_, _>>()?;
        Ok(Self {
            setup,
            serving: serving.clone(),
            place,
            teachers,
            states: States::default(),
            free_memory: OnceLock::new(),
        })
    }

    /// The rows to train on and those that are kept back, each sorted by id.
    fn rows<'a>(&self, train: &'a [LabeledBattle], seed: u64) -> Result<Rows<'a>, FitError> {
        if train.is_empty() {
            return Err(FitError::NoBattles);
        }
        let share = self.setup.recipe.early_stopping.map(|early| early.share);
        let share = match self.setup.recipe.method {
            TuningMethod::Head => share.or(Some(SHARE_OF_PENALTY)),
            _ => share.or(self.setup.is_reward().then_some(SHARE_OF_LINK)),
        };
        let kept_back = share.map_or(Ok(vec![false; train.len()]), |share| kept_back(train, share, seed))?;
        let of = |wanted: bool| {
            let rows = train.iter().zip(&kept_back).filter(|(_, kept)| **kept == wanted);
            let mut rows: Vec<Example<'a>> = rows.map(|(row, _)| self.example(row, wanted)).collect();
            rows.sort_by(|one, other| one.row.battle.id.cmp(&other.row.battle.id));
            rows
        };
        Ok(Rows { train: of(false), held_out: of(true) })
    }

    /// Rows that are kept back are judged by their labels, whatever teachers say of them.
    fn example<'a>(&self, row: &'a LabeledBattle, is_kept_back: bool) -> Example<'a> {
        let teachers = if is_kept_back { &[] } else { self.teachers.as_slice() };
        Example { row, target: teachers::target(row, teachers) }
    }

    fn is_head_only(&self) -> bool {
        self.setup.recipe.method == TuningMethod::Head
    }

    fn loss(&self, rows: &Rows<'_>) -> Loss {
        if !self.setup.is_reward() {
            return Loss::CrossEntropy { label_smoothing: self.setup.recipe.label_smoothing };
        }
        let weight: f64 = rows.train.iter().map(|example| example.row.weight).sum();
        let ties: f64 = rows.train.iter().map(|example| example.row.weight * example.target[2]).sum();
        // Between two equal rewards, this half-width gives as many ties as there are.
        Loss::RaoKupper { eta: 2.0 * (ties / weight).clamp(0.0, 0.99).atanh() }
    }

    /// The predictor of a trained model.
    fn predictor(
        &self,
        places: &Places,
        rows: &Rows<'_>,
        context: &FitContext<'_>,
    ) -> Result<Box<dyn Predictor>, FitError> {
        if !self.setup.is_reward() {
            return self.served(places, context);
        }
        let model = self.opened(places, context)?;
        let link = link(&model, rows, context)?;
        Ok(Box::new(Reward::new(model, link).map_err(PredictError::from)?))
    }

    /// The model of a place as a classifier.
    fn served(&self, places: &Places, context: &FitContext<'_>) -> Result<Box<dyn Predictor>, FitError> {
        Ok(Box::new(Classifier::new(self.opened(places, context)?).map_err(PredictError::from)?))
    }

    fn opened(&self, places: &Places, context: &FitContext<'_>) -> Result<Arc<LanguageModel>, FitError> {
        let serving = self.serving.apart(places.models.clone(), context.threads);
        let folder = ModelFolder::read(Path::new(&places.name), &serving).map_err(PredictError::from)?;
        Ok(folder.open(&WantedBudget::default(), &serving).map_err(PredictError::from)?)
    }
}

impl Learner for FinetuneLearner {
    fn fit(&self, train: &[LabeledBattle], context: &FitContext<'_>) -> Result<Box<dyn Predictor>, FitError> {
        let places = Places::of(context);
        let rows = self.rows(train, context.seed)?;
        if !places.model().join(crate::checkpoint::files::CARD).is_file() {
            if self.is_head_only() {
                self.states.fit((&self.setup, &self.serving), &rows, (&places, context))?;
                return self.predictor(&places, &rows, context);
            }
            let own = beginning::begun(&self.setup, &self.serving, &rows, (&places, context))?;
            let setup = own.as_ref().unwrap_or(&self.setup);
            let loss = self.loss(&rows);
            let engine = self.place.as_ref().map_or(Engine::PROCESSOR, |place| place.engine.clone());
            let free_memory = if engine.is_gpu() {
                engine.free_memory()
            } else {
                *self.free_memory.get_or_init(free_memory::free_memory)
            };
            let training =
                Training { setup, context, places: &places, rows: &rows, loss, engine, free_memory };
            let model = training.run()?;
            if own.is_some() {
                write_trained(&model, &places.begun(), &places.checkpoint())?;
            }
            setup.export(&model, context.seed, &places.model())?;
            places.forget_states();
        }
        self.predictor(&places, &rows, context)
    }

    fn prepare(&self, ahead: &Ahead<'_>, context: &FitContext<'_>) -> Result<(), FitError> {
        for teacher in &self.teachers {
            let checked = teacher.check(ahead.competition, ahead.folds);
            checked.map_err(|error| FitError::Input(error.to_string()))?;
        }
        if self.is_head_only() {
            let rows = ahead.competition.iter().chain(ahead.extra);
            let battles: Vec<&Battle> = rows.map(|row| &row.battle).collect();
            self.states.prepare((&self.setup, &self.serving), &battles, context)?;
        }
        Ok(())
    }

    fn averages(&self) -> Result<(), String> {
        match self.setup.recipe.method {
            _ if self.setup.is_reward() => Err("the link of a reward needs rows that no fit saw".to_owned()),
            TuningMethod::Lora => Ok(()),
            TuningMethod::Full | TuningMethod::Head => {
                Err("only fits of `method = \"lora\"` are averaged, on the products of their adapters"
                    .to_owned())
            }
        }
    }

    fn average(&self, folds: &[u32], context: &FitContext<'_>) -> Result<Box<dyn Predictor>, FitError> {
        self.averages().map_err(FitError::Input)?;
        let places = Places::of(context);
        if !places.model().join(crate::checkpoint::files::CARD).is_file() {
            let of_fold = |fold: &u32| Places::of(&FitContext { fold: Some(*fold), ..*context }).model();
            let fits: Vec<std::path::PathBuf> = folds.iter().map(of_fold).collect();
            self.setup.average(&fits, context.seed, &places.model())?;
        }
        self.served(&places, context)
    }

    fn runs_alone(&self) -> bool {
        true
    }

    fn discard(&self, context: &FitContext<'_>) {
        let places = Places::of(context);
        for folder in [places.model(), places.checkpoint()] {
            // What cannot be removed goes with the workspace.
            let _ = std::fs::remove_dir_all(folder);
        }
    }

    fn trains_on(&self) -> Option<String> {
        self.place.as_ref().map(ToString::to_string)
    }

    fn fingerprint(&self) -> Option<String> {
        let of_teachers = self.teachers.iter().map(|teacher| teacher.fingerprint.as_str());
        let all: Vec<&str> = std::iter::once(self.setup.fingerprint.as_str()).chain(of_teachers).collect();
        Some(all.join(" "))
    }

    fn warnings(&self) -> Vec<String> {
        let outputs = &self.setup.outputs;
        let mut warnings: Vec<String> = self.teachers.iter().map(Teacher::warning).collect();
        if !self.setup.is_reward() && !outputs.contains(&OutputMeaning::Tie) {
            warnings.push(
                "it has no output for a tie: in a three-way task it says that ties are impossible, which only a \
                 calibrator or another member of the blend can mend"
                    .to_owned(),
            );
        }
        warnings
    }
}

impl From<FinetuneError> for FitError {
    fn from(error: FinetuneError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Which rows are kept back: whole groups of prompts and sessions.
fn kept_back(train: &[LabeledBattle], share: f64, seed: u64) -> Result<Vec<bool>, FitError> {
    let groups = splits::groups(train);
    let rows: Vec<GroupedRow<'_>> = train
        .iter()
        .zip(&groups)
        .map(|(row, group)| GroupedRow { id: &row.battle.id, group, target: row.target })
        .collect();
    splits::hold_out(&rows, share, seed)
        .map_err(|error| FitError::Failed(format!("no rows can be kept back for early stopping: {error}")))
}

/// The link from two rewards to three probabilities, fitted to rows that the training did not see.
fn link(model: &Arc<LanguageModel>, rows: &Rows<'_>, context: &FitContext<'_>) -> Result<TieModel, FitError> {
    let battles: Vec<&Battle> = rows.held_out.iter().map(|example| &example.row.battle).collect();
    let stop = || context.stop.load(std::sync::atomic::Ordering::Relaxed);
    let asked = Asked { journal: None, deadline: None, stop: &stop, progress: context.progress };
    let scores = Reward::scores(model, &battles, &asked).map_err(PredictError::from)?;
    if stop() {
        return Err(FitError::Stopped);
    }
    let labeled: Vec<LabeledBattle> = rows.held_out.iter().map(|example| example.row.clone()).collect();
    Ok(fit_link(TieModelKind::RaoKupper, &labeled, &scores, "rows kept back from training")?.model)
}

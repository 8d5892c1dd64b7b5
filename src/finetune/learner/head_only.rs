//! The head alone: hidden states are computed once for all folds, and a softmax regression on them is the head.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::examples::Example;
use super::setup::Setup;
use super::training::{Places, Rows};
use crate::battle::Battle;
use crate::checkpoint::{Dense, Head, HeadActivation, files};
use crate::encoding::Shown;
use crate::finetune::FinetuneError;
use crate::learning::{FitContext, FitError, softmax_head};
use crate::predictors::PredictError;
use crate::predictors::language_model::{
    Asked, JournalPlace, LanguageModel, ModelFolder, Serving, WantedBudget,
};

/// Rows that are kept back to choose the penalty, where early stopping does not say how many.
pub(super) const SHARE_OF_PENALTY: f64 = 0.2;

/// The untrained model, whose pooled states are asked for; made once a run.
#[derive(Default)]
pub(super) struct States {
    model: Mutex<Option<Arc<LanguageModel>>>,
}

impl States {
    /// Computes the states of all these battles; on disk in the workspace, so that a resumed run does not do it again.
    pub(super) fn prepare(
        &self,
        (setup, serving): (&Setup, &Serving),
        battles: &[&Battle],
        context: &FitContext<'_>,
    ) -> Result<(), FitError> {
        let model = self.model(setup, serving, context)?;
        let place =
            JournalPlace { path: context.workspace.join(format!("{}.states", context.member)), resume: true };
        let stop = || context.stop.load(std::sync::atomic::Ordering::Relaxed);
        let asked = Asked { journal: Some(place), deadline: None, stop: &stop, progress: context.progress };
        model.numbers_of(battles, &asked).map_err(PredictError::from)?;
        if stop() { Err(FitError::Stopped) } else { Ok(()) }
    }

    fn model(
        &self,
        setup: &Setup,
        serving: &Serving,
        context: &FitContext<'_>,
    ) -> Result<Arc<LanguageModel>, FitError> {
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = model.as_ref() {
            return Ok(Arc::clone(model));
        }
        let (name, path) = untrained(context);
        if !path.join(files::CARD).is_file() {
            setup.import(&path)?;
        }
        let serving = serving.apart(context.workspace.join("models"), context.threads);
        let folder = ModelFolder::read(Path::new(&name), &serving).map_err(PredictError::from)?;
        let opened = folder
            .open_states(&WantedBudget { orders: Some(setup.orders()), ..WantedBudget::default() }, &serving);
        let opened = Arc::new(opened.map_err(PredictError::from)?);
        Ok(Arc::clone(model.insert(opened)))
    }

    /// The head for these rows, written as a model folder over the graph of the untrained model.
    pub(super) fn fit(
        &self,
        (setup, serving): (&Setup, &Serving),
        rows: &Rows<'_>,
        (places, context): (&Places, &FitContext<'_>),
    ) -> Result<(), FitError> {
        let model = self.model(setup, serving, context)?;
        let mut samples = softmax_head::Samples::default();
        for (examples, is_kept_back) in [(&rows.train, false), (&rows.held_out, true)] {
            let battles: Vec<&Battle> = examples.iter().map(|example| &example.row.battle).collect();
            let stop = || context.stop.load(std::sync::atomic::Ordering::Relaxed);
            let asked = Asked { journal: None, deadline: None, stop: &stop, progress: context.progress };
            let numbers = model.numbers_of(&battles, &asked).map_err(PredictError::from)?;
            for (row, example) in examples.iter().enumerate() {
                for (states, shown) in numbers.row(row).iter().zip(numbers.shown()) {
                    let states = states.as_deref().ok_or(FitError::Stopped)?;
                    samples.push(states, sample(example, *shown, numbers.shown().len()), is_kept_back);
                }
            }
        }
        let fitted = softmax_head::fit(&samples)?;
        tracing::info!(
            "{}: penalty {:e}, held-out log loss {:.4}, of the class shares {:.4}",
            places.name,
            fitted.penalty,
            fitted.held_out_log_loss,
            fitted.prior_log_loss
        );
        let untrained = model.head().ok_or_else(|| FitError::Failed("the model has no head".to_owned()))?;
        let layer = Dense {
            inputs: untrained.width,
            weight: setup.in_order(&fitted.weights).concat(),
            bias: setup.in_order(&fitted.intercepts),
            activation: HeadActivation::Linear,
        };
        let head =
            Head { pooling: untrained.pooling, width: untrained.width, layers: vec![layer], softcap: None };
        setup.rehead(&untrained_path(context), &places.model(), &head)?;
        Ok(())
    }
}

/// Target and weight of one order of a battle.
fn sample(example: &Example<'_>, shown: Shown, orders: usize) -> ([f64; 3], f64) {
    let [a, b, tie] = example.target;
    let target = if shown == Shown::Ba { [b, a, tie] } else { [a, b, tie] };
    (target, example.row.weight / orders as f64)
}

fn untrained(context: &FitContext<'_>) -> (String, PathBuf) {
    (format!("{}-untrained", context.member), untrained_path(context))
}

fn untrained_path(context: &FitContext<'_>) -> PathBuf {
    context.workspace.join("models").join(format!("{}-untrained", context.member))
}

impl From<crate::onnx::graph::GraphError> for FitError {
    fn from(error: crate::onnx::graph::GraphError) -> Self {
        FinetuneError::from(error).into()
    }
}

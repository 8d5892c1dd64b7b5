//! One training from its first step to its last, interrupted and taken up again at any of them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::examples::{Example, Order};
use super::setup::Setup;
use super::steps::{StepLog, StepRecord};
use crate::compute::{Engine, Model};
use crate::finetune::{FinetuneError, Loss, StepReport, Trainer, TrainingBatch};
use crate::learning::{FitContext, FitError};
use crate::progress::ProgressTask;

/// What is trained on and looked at.
pub(super) struct Rows<'a> {
    pub(super) train: Vec<Example<'a>>,
    /// Kept back for early stopping; none without it.
    pub(super) held_out: Vec<Example<'a>>,
}

/// Where a training keeps what it needs to go on.
pub(super) struct Places {
    /// The name of the fit, and of its model folder.
    pub(super) name: String,
    /// The folder of models.
    pub(super) models: PathBuf,
    checkpoints: PathBuf,
    begun: PathBuf,
    /// A state from which a step was made: its weights gave a loss.
    state: PathBuf,
    /// A later one, from which none was made yet.
    latest: PathBuf,
    best: PathBuf,
}

impl Places {
    pub(super) fn of(context: &FitContext<'_>) -> Self {
        let fold = context.fold.map_or_else(|| "final".to_owned(), |fold| format!("fold-{fold}"));
        let name = format!("{}-{fold}-seed-{}", context.member, context.seed);
        let training = context.workspace.join("training");
        Self {
            models: context.workspace.join("models"),
            checkpoints: context.workspace.join("checkpoints"),
            begun: training.join(format!("{name}.begun")),
            state: training.join(format!("{name}.state")),
            latest: training.join(format!("{name}.latest")),
            best: training.join(format!("{name}.best")),
            name,
        }
    }

    /// The folder of the trained model.
    pub(super) fn model(&self) -> PathBuf {
        self.models.join(&self.name)
    }

    /// The folder of the checkpoint that a training from scratch begins with.
    pub(super) fn begun(&self) -> PathBuf {
        self.begun.clone()
    }

    /// The folder of the checkpoint that it ends with.
    pub(super) fn checkpoint(&self) -> PathBuf {
        self.checkpoints.join(&self.name)
    }

    /// Removes what is not needed behind the last step.
    pub(super) fn forget_states(&self) {
        for path in [&self.state, &self.latest, &self.best] {
            // What cannot be removed goes with the workspace.
            let _ = std::fs::remove_file(path);
        }
        let _ = std::fs::remove_dir_all(&self.begun);
    }

    /// The latest state gave a loss: it takes the place of the one before.
    fn prove_latest(&self) -> Result<(), FinetuneError> {
        match std::fs::rename(&self.latest, &self.state) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(FinetuneError::State { path: self.latest.clone(), message: error.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// The latest state gave no loss: training must not go on from it.
    fn forget_latest(&self) -> Result<(), FinetuneError> {
        match std::fs::remove_file(&self.latest) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(FinetuneError::State { path: self.latest.clone(), message: error.to_string() })
            }
            _ => Ok(()),
        }
    }
}

/// What stands beside the numbers of a state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Position {
    best: Option<Best>,
    looks_without_gain: u32,
}

/// The best state so far.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Best {
    step: u64,
    /// The bits of the loss, because JSON may round.
    loss: u64,
}

/// Everything that one training needs.
pub(super) struct Training<'a> {
    pub(super) setup: &'a Setup,
    pub(super) context: &'a FitContext<'a>,
    pub(super) places: &'a Places,
    pub(super) rows: &'a Rows<'a>,
    pub(super) loss: Loss,
    /// Where the model is computed.
    pub(super) engine: Engine,
    /// Bytes of memory that may be taken, of the engine's; where the system tells.
    pub(super) free_memory: Option<u64>,
}

impl Training<'_> {
    /// Trains to the end, or from where an earlier attempt was, and gives the model.
    pub(super) fn run(&self) -> Result<Model, FitError> {
        let recipe = &self.setup.recipe;
        let mut order = Order::new(self.rows.train.len(), recipe.batch, self.context.seed);
        let total = u64::from(recipe.epochs) * order.steps_per_epoch();
        self.check_memory(self.free_memory)?;
        let trainer = self.setup.trainer(&self.engine, self.context.seed, (total, self.loss));
        let mut trainer = trainer.map_err(|error| self.failed(error))?;
        let mut position = self.resumed(&mut trainer)?;
        let mut log = StepLog::open(self.context.workspace, &self.places.name, trainer.steps())?;
        let held_out = HeldOut::new(self.setup, self.rows, self.loss)?;
        let task = self.context.progress.start(&self.places.name, Some(total), "steps");
        task.advance(trainer.steps());
        let mut shown_loss = None;
        while trainer.steps() < total && !self.is_over(&position) {
            if self.context.stop.load(Ordering::Relaxed) {
                self.save(&trainer, &position)?;
                return Err(FitError::Stopped);
            }
            let started = Instant::now();
            let examples: Vec<Example<'_>> =
                order.rows_of(trainer.steps()).iter().map(|row| self.rows.train[*row]).collect();
            let batches = self.setup.batches(&examples)?;
            let report = trainer.step(&batches).map_err(|error| self.failed(error))?;
            self.places.prove_latest()?;
            let mut record = self.record(&report, (total, order.steps_per_epoch()));
            record.seconds = started.elapsed().as_secs_f64();
            show(task.as_ref(), &record, &mut shown_loss);
            if let Some(held_out) = held_out.as_ref().filter(|_| self.is_look(report.step, total)) {
                let loss = held_out.loss(trainer.model()).map_err(|error| self.failed(error))?;
                let looked = self.look(&trainer, loss, &mut position);
                looked.map_err(|error| self.failed(error))?;
                record.held_out_log_loss = Some(loss);
                record.prior_log_loss = Some(held_out.prior);
            }
            log.append(&record)?;
            if report.step % recipe.checkpoint_every == 0 {
                self.save(&trainer, &position)?;
            }
            abort_if_injected();
        }
        if let Some(best) = position.best.filter(|best| best.step != trainer.steps()) {
            trainer.restore(&self.places.best)?;
            task.note(&format!("the state of step {} is the best", best.step));
        }
        Ok(trainer.into_model())
    }

    fn resumed(&self, trainer: &mut Trainer) -> Result<Position, FinetuneError> {
        let places = [&self.places.latest, &self.places.state];
        let Some(path) = places.into_iter().find(|path| path.is_file()) else {
            return Ok(Position::default());
        };
        let position = trainer.restore(path)?;
        serde_json::from_str(&position)
            .map_err(|error| FinetuneError::State { path: path.clone(), message: error.to_string() })
    }

    fn save(&self, trainer: &Trainer, position: &Position) -> Result<(), FinetuneError> {
        save(trainer, &self.places.latest, position)
    }

    /// Whether looks at the rows that are kept back have ended the training.
    fn is_over(&self, position: &Position) -> bool {
        self.setup.recipe.early_stopping.is_some_and(|early| position.looks_without_gain >= early.patience)
    }

    fn is_look(&self, step: u64, total: u64) -> bool {
        self.setup.recipe.early_stopping.is_some_and(|early| step.is_multiple_of(early.every))
            || step == total
    }

    /// Keeps a state that is better than all before.
    fn look(&self, trainer: &Trainer, loss: f64, position: &mut Position) -> Result<(), FinetuneError> {
        if !loss.is_finite() {
            let what = "log loss on the rows that are kept back";
            return Err(FinetuneError::Diverged { step: trainer.steps(), what, value: loss });
        }
        if position.best.is_none_or(|best| loss < f64::from_bits(best.loss)) {
            position.best = Some(Best { step: trainer.steps(), loss: loss.to_bits() });
            position.looks_without_gain = 0;
            return save(trainer, &self.places.best, position);
        }
        position.looks_without_gain += 1;
        Ok(())
    }

    /// A training that diverged forgets the state that led there, and says from where it can go on; one that has filled the
    /// memory of a GPU says what would fit.
    fn failed(&self, error: FinetuneError) -> FitError {
        match &error {
            FinetuneError::Diverged { .. } => {}
            FinetuneError::Compute(cause) if cause.is_out_of_memory() => return self.out_of_memory(),
            _ => return error.into(),
        }
        if let Err(failed) = self.places.forget_latest() {
            return FitError::Failed(format!("{error}; and its state cannot be forgotten: {failed}"));
        }
        let left = if self.places.state.is_file() {
            format!("the last good state is kept in `{}`", self.places.state.display())
        } else {
            "no state is kept, because none before it is known to be good".to_owned()
        };
        FitError::Failed(format!("{error}; {left}"))
    }

    fn record(&self, report: &StepReport, (total, per_epoch): (u64, u64)) -> StepRecord {
        StepRecord {
            member: self.context.member.to_owned(),
            seed: self.context.seed,
            fold: self.context.fold,
            step: report.step,
            steps: total,
            epoch: report.step as f64 / per_epoch.max(1) as f64,
            loss: report.loss,
            held_out_log_loss: None,
            prior_log_loss: None,
            gradient_norm: report.gradient_norm,
            learning_rate: report.learning_rate,
            tokens: report.tokens,
            seconds: 0.0,
        }
    }
}

fn save(trainer: &Trainer, path: &Path, position: &Position) -> Result<(), FinetuneError> {
    let fault = |message: String| FinetuneError::State { path: path.to_owned(), message };
    let text = serde_json::to_string(position).map_err(|error| fault(error.to_string()))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| fault(error.to_string()))?;
    }
    trainer.save(path, &text)
}

/// The loss that is shown forgets slowly, because single steps jump.
fn show(task: &dyn ProgressTask, record: &StepRecord, shown: &mut Option<f64>) {
    const KEPT: f64 = 0.95;
    let loss = shown.map_or(record.loss, |shown: f64| KEPT * shown + (1.0 - KEPT) * record.loss);
    *shown = Some(loss);
    let speed = record.tokens as f64 / record.seconds.max(f64::MIN_POSITIVE);
    task.note(&format!("loss {loss:.4}, learning rate {:.1e}, {speed:.0} tokens/s", record.learning_rate));
    task.advance(1);
}

/// The rows that are kept back, ready to be looked at again and again.
struct HeldOut {
    batches: Vec<TrainingBatch>,
    loss: Loss,
    total_weight: f64,
    prior: f64,
}

impl HeldOut {
    fn new(setup: &Setup, rows: &Rows<'_>, loss: Loss) -> Result<Option<Self>, FinetuneError> {
        if rows.held_out.is_empty() {
            return Ok(None);
        }
        let batches = setup.batches(&rows.held_out)?;
        let total_weight = batches.iter().map(|batch| batch.targets.total_weight()).sum();
        // What is looked at is the log loss itself.
        let loss = match loss {
            Loss::CrossEntropy { .. } => Loss::CrossEntropy { label_smoothing: 0.0 },
            paired @ Loss::RaoKupper { .. } => paired,
        };
        let prior = prior(setup, &rows.train, &rows.held_out);
        Ok(Some(Self { batches, loss, total_weight, prior }))
    }

    fn loss(&self, model: &Model) -> Result<f64, FinetuneError> {
        let mut sum = 0.0;
        for batch in &self.batches {
            let outputs = model.logits(&batch.texts)?;
            sum += self.loss.of(&outputs, &batch.targets, self.total_weight)?.loss;
        }
        Ok(sum)
    }
}

/// The log loss that the shares of the outputs in the training rows have on others, all orders taken together.
fn prior(setup: &Setup, train: &[Example<'_>], held_out: &[Example<'_>]) -> f64 {
    let total: f64 = train.iter().map(|example| example.row.weight).sum();
    let mut shares: Vec<f64> = Vec::new();
    for example in train {
        let target = setup.mean_target(example);
        shares.resize(target.len(), 0.0);
        shares.iter_mut().zip(target).for_each(|(share, value)| *share += example.row.weight * value);
    }
    let even = 0.5 / shares.len().max(1) as f64;
    let ln: Vec<f64> = shares.iter().map(|share| ((share + even) / (total + 0.5)).ln()).collect();
    let weight: f64 = held_out.iter().map(|example| example.row.weight).sum();
    let losses = held_out.iter().map(|example| {
        let target = setup.mean_target(example);
        -example.row.weight * target.iter().zip(&ln).map(|(target, ln)| target * ln).sum::<f64>()
    });
    losses.sum::<f64>() / weight
}

/// Tests break a training at a step this way; no clean-up may run.
fn abort_if_injected() {
    static STEPS: AtomicU64 = AtomicU64::new(0);
    let done = STEPS.fetch_add(1, Ordering::SeqCst) + 1;
    let limit = std::env::var("TIEBREAK_INJECT_ABORT_AFTER_STEPS").ok().and_then(|text| text.parse().ok());
    if limit == Some(done) {
        std::process::abort();
    }
}

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{AdamW, AdamWSettings, FinetuneError, Loss, Schedule, Targets, clip, global_norm};
use crate::compute::{Dropout, Memory, Model, PaddedBatch};

/// How to train.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainerSettings {
    /// What is minimised.
    pub loss: Loss,
    /// The optimizer.
    pub optimizer: AdamWSettings,
    /// The factor of its learning rate.
    pub schedule: Schedule,
    /// The largest norm of all gradients together.
    pub clip_norm: Option<f64>,
    /// What is kept between the way forth and back.
    pub memory: Memory,
    /// Decides what dropout leaves out.
    pub seed: u64,
}

/// Texts that are computed together, with what the outputs should say of them.
#[derive(Clone, Debug)]
pub struct TrainingBatch {
    /// The tokens.
    pub texts: PaddedBatch,
    /// One an example.
    pub targets: Targets,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Counted from 1.
    pub step: u64,
    /// The weighted mean over the examples of the step.
    pub loss: f64,
    /// The norm of all gradients before clipping.
    pub gradient_norm: f64,
    /// The learning rate of the checkpoint's weights and adapters.
    pub learning_rate: f64,
    /// Tokens without padding.
    pub tokens: usize,
}

/// Trains a model step by step.
#[derive(Debug)]
pub struct Trainer {
    pub(super) model: Model,
    pub(super) settings: TrainerSettings,
    pub(super) optimizer: AdamW,
    pub(super) random: ChaCha8Rng,
}

impl Trainer {
    /// With a model that has its head and knows what is trained.
    ///
    /// # Errors
    /// `FinetuneError` for settings that cannot be followed, or nothing to train.
    pub fn new(model: Model, settings: TrainerSettings) -> Result<Self, FinetuneError> {
        settings.optimizer.check()?;
        if settings.clip_norm.is_some_and(|norm| !(norm > 0.0 && norm.is_finite())) {
            return Err(FinetuneError::Settings(
                "the norm that gradients are clipped to must be above 0".to_owned(),
            ));
        }
        if model.parameters().trainable().next().is_none() {
            return Err(FinetuneError::NothingToTrain);
        }
        let optimizer = AdamW::new(settings.optimizer.clone());
        let random = ChaCha8Rng::seed_from_u64(settings.seed);
        Ok(Self { model, settings, optimizer, random })
    }

    /// The model as it is now.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model, trained.
    #[must_use]
    pub fn into_model(self) -> Model {
        self.model
    }

    /// Steps that were made.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.optimizer.steps
    }

    /// One step by all examples of these batches together: the batches only bound the memory, the gradient is that of
    /// the mean over their examples.
    ///
    /// # Errors
    /// `FinetuneError::Diverged`, after which the weights are those of the step before; else for batches and targets
    /// that do not fit the model.
    pub fn step(&mut self, batches: &[TrainingBatch]) -> Result<StepReport, FinetuneError> {
        let step = self.steps() + 1;
        let normaliser = total_weight(batches)?;
        let (mut loss, mut gradients) = (0.0, BTreeMap::new());
        let rate = self.model.dropout();
        let mut dropout = (rate > 0.0).then(|| Dropout { rate, draw: self.random.next_u64(), first_text: 0 });
        for batch in batches {
            let how = (self.settings.memory, dropout);
            if let Some(dropout) = &mut dropout {
                dropout.first_text += batch.texts.rows as u64;
            }
            let more = self.model.gradients(&batch.texts, how, |outputs| {
                let part = self.settings.loss.of(outputs, &batch.targets, normaliser)?;
                loss += part.loss;
                Ok::<_, FinetuneError>(part.gradient)
            })?;
            if !loss.is_finite() {
                return Err(FinetuneError::Diverged { step, what: "loss", value: loss });
            }
            add(&mut gradients, more);
        }
        let gradient_norm = global_norm(&gradients);
        if !gradient_norm.is_finite() {
            let what = "norm of the gradients";
            return Err(FinetuneError::Diverged { step, what, value: gradient_norm });
        }
        if let Some(most) = self.settings.clip_norm {
            clip(&mut gradients, gradient_norm, most);
        }
        let factor = self.settings.schedule.factor(step - 1);
        self.optimizer.step(self.model.parameters_mut(), &gradients, factor)?;
        let tokens =
            batches.iter().map(|batch| batch.texts.valid.iter().filter(|&&valid| valid).count()).sum();
        let learning_rate = factor * self.settings.optimizer.learning_rate;
        Ok(StepReport { step, loss, gradient_norm, learning_rate, tokens })
    }
}

fn total_weight(batches: &[TrainingBatch]) -> Result<f64, FinetuneError> {
    let total: f64 = batches.iter().map(|batch| batch.targets.total_weight()).sum();
    if total > 0.0 {
        return Ok(total);
    }
    Err(FinetuneError::Targets("a step without examples of any weight".to_owned()))
}

fn add(total: &mut BTreeMap<String, Vec<f32>>, more: BTreeMap<String, Vec<f32>>) {
    for (name, more) in more {
        match total.get_mut(&name) {
            Some(sum) => sum.iter_mut().zip(more).for_each(|(sum, value)| *sum += value),
            None => {
                total.insert(name, more);
            }
        }
    }
}

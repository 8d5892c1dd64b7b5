//! A checkpoint with everything that a recipe says of it, checked before any work.

use std::path::{Path, PathBuf};

use super::recipe::{FinetuneRecipe, HeadStart, LoraRecipe, TuningMethod};
use crate::checkpoint::{
    BaseNumbers, Checkpoint, FamilyConfig, FileMark, Head, HeadChoice, LoadedHead, OutputMeaning, load_head,
};
use crate::compute::{AdapterSettings, Engine, Memory, Model, Planned};
use crate::encoding::{
    Encoder, EncodingBudget, EncodingError, EncodingRecipe, ModelForm, Orders, Shown, StoredEncoder,
    Template, TokenizerFiles,
};
use crate::finetune::{
    AdamWSettings, FinetuneError, Loss, Method, Schedule, Trainer, TrainerSettings, average, export,
    save_adapter,
};
use crate::onnx::graph::{ImportOptions, ImportReport, import_with, with_head};

/// What all fits of a learner have in common.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) recipe: FinetuneRecipe,
    /// The encoder of training.
    pub(super) encoder: Encoder,
    /// The meaning of each output.
    pub(super) outputs: Vec<OutputMeaning>,
    /// The hash of the checkpoint's files.
    pub(super) fingerprint: String,
    /// What training begins with.
    checkpoint: PathBuf,
    stored: StoredEncoder,
    is_decoder: bool,
}

impl Setup {
    /// A checkpoint as a recipe wants it trained, which was checked.
    pub(super) fn open(
        recipe: &FinetuneRecipe,
        folder: &Path,
        ingest_version: u32,
    ) -> Result<Self, FinetuneError> {
        let checkpoint = Checkpoint::open(folder)?;
        let outputs = load_head(&checkpoint, &head_choice(recipe, 1), None)?.outputs;
        recipe.check_effects(outputs[..] == [OutputMeaning::Score])?;
        let is_decoder = checkpoint.config.family().is_decoder();
        let encoder = encoder(recipe, &checkpoint, &outputs)?;
        let labels: Vec<String> = outputs.iter().map(|output| output.name().to_owned()).collect();
        let mut stored = StoredEncoder::of(&encoder, &labels, ingest_version);
        stored.budget.max_tokens = recipe.predict_max_tokens.unwrap_or(recipe.max_tokens);
        let fingerprint = fingerprint(&checkpoint)?;
        let (recipe, folder) = (recipe.clone(), folder.to_owned());
        Ok(Self { recipe, encoder, outputs, fingerprint, checkpoint: folder, stored, is_decoder })
    }

    /// Whether the model gives each response a score.
    pub(super) fn is_reward(&self) -> bool {
        self.outputs[..] == [OutputMeaning::Score]
    }

    /// What training reads of a battle.
    pub(super) fn shown(&self) -> &'static [Shown] {
        let all = self.encoder.budget().shown(&self.encoder.recipe().template);
        match (self.encoder.recipe().template.is_single(), self.recipe.swap, all) {
            (true, ..) => all,
            (false, true, _) => &[Shown::Ab, Shown::Ba],
            (false, false, [Shown::Ba]) => &[Shown::Ba],
            (false, false, _) => &[Shown::Ab],
        }
    }

    /// A trainer at its first step.
    pub(super) fn trainer(
        &self,
        engine: &Engine,
        seed: u64,
        (total_steps, loss): (u64, Loss),
    ) -> Result<Trainer, FinetuneError> {
        let recipe = &self.recipe;
        let checkpoint = Checkpoint::open(&self.checkpoint)?;
        let LoadedHead { head, .. } = load_head(&checkpoint, &head_choice(recipe, seed), None)?;
        let source = (&checkpoint.config, &checkpoint.weights);
        let mut model = Model::load_on(engine.clone(), recipe.lora.base, source)?;
        let method = match recipe.method {
            TuningMethod::Head => Method::Head,
            TuningMethod::Full => Method::Full,
            TuningMethod::Lora => Method::Adapters(self.adapters(seed)),
        };
        method.prepare(&mut model, &head, !self.is_decoder)?;
        let [learning_rate, head_learning_rate] = recipe.learning_rates();
        let optimizer = AdamWSettings {
            learning_rate,
            head_learning_rate,
            epsilon: recipe.epsilon,
            weight_decay: recipe.weight_decay,
            ..AdamWSettings::default()
        };
        let warmup_steps = rounded(recipe.warmup * total_steps as f64);
        let schedule = Schedule { warmup_steps, total_steps, decay: recipe.schedule };
        let memory = if recipe.recompute_layers { Memory::LayerInputs } else { Memory::Everything };
        let clip_norm = Some(recipe.clip_norm);
        Trainer::new(model, TrainerSettings { loss, optimizer, schedule, clip_norm, memory, seed })
    }

    /// What the trainer will have, without its weights.
    pub(super) fn planned(&self, seed: u64) -> Result<ToTrain, FinetuneError> {
        let checkpoint = Checkpoint::open(&self.checkpoint)?;
        let LoadedHead { head, .. } = load_head(&checkpoint, &head_choice(&self.recipe, seed), None)?;
        let method = self.recipe.method;
        let adapters = (method == TuningMethod::Lora).then(|| self.adapters(seed));
        Ok(ToTrain { config: checkpoint.config, head, adapters, whole: method == TuningMethod::Full })
    }

    fn adapters(&self, seed: u64) -> AdapterSettings {
        let LoraRecipe { rank, alpha, dropout, targets, .. } = self.recipe.lora.clone();
        AdapterSettings { rank, alpha, dropout, slots: targets, seed }
    }

    /// Writes a trained model as a model folder; adapters lie in it in the form of PEFT, too.
    pub(super) fn export(&self, model: &Model, seed: u64, target: &Path) -> Result<(), FinetuneError> {
        let add = |folder: &Path, _: &_| {
            if self.recipe.method == TuningMethod::Lora {
                save_adapter(model, &self.adapters(seed), folder)?;
            }
            Ok(self.stored.write(folder)?)
        };
        export(model, &self.checkpoint, target, (&self.options(seed), &add)).map(|_| ())
    }

    /// Writes the mean of several fits as a model folder.
    pub(super) fn average(&self, fits: &[PathBuf], seed: u64, target: &Path) -> Result<(), FinetuneError> {
        let add = |folder: &Path, _: &_| Ok(self.stored.write(folder)?);
        average(fits, &self.checkpoint, target, (&self.options(seed), &add)).map(|_| ())
    }

    /// Writes the untrained model as a model folder.
    pub(super) fn import(&self, target: &Path) -> Result<ImportReport, FinetuneError> {
        let mut stored = self.stored.clone();
        stored.budget.max_tokens = self.recipe.max_tokens;
        let add = |folder: &Path, _: &_| Ok(stored.write(folder)?);
        Ok(import_with(&self.checkpoint, target, &self.options(1), &add)?)
    }

    /// Writes a model folder with the graph of the untrained one and a trained head.
    pub(super) fn rehead(&self, untrained: &Path, target: &Path, head: &Head) -> Result<(), FinetuneError> {
        let add = |folder: &Path, _: &_| Ok(self.stored.write(folder)?);
        with_head(untrained, target, head, &add)?;
        Ok(())
    }

    /// The orders that training reads.
    pub(super) fn orders(&self) -> Orders {
        match self.shown() {
            [Shown::Ab] => Orders::Ab,
            [Shown::Ba] => Orders::Ba,
            _ => Orders::Both,
        }
    }

    /// Values for A, B and tie in the order of the outputs.
    pub(super) fn in_order<T: Clone>(&self, [a, b, tie]: &[T; 3]) -> Vec<T> {
        let of = |output: &OutputMeaning| match output {
            OutputMeaning::A => a.clone(),
            OutputMeaning::B => b.clone(),
            _ => tie.clone(),
        };
        self.outputs.iter().map(of).collect()
    }

    fn options(&self, seed: u64) -> ImportOptions {
        ImportOptions {
            head: head_choice(&self.recipe, seed),
            replace: true,
            max_tokens: self.recipe.predict_max_tokens.max(Some(self.recipe.max_tokens)),
            ..ImportOptions::default()
        }
    }
}

/// A model that is to be trained.
pub(super) struct ToTrain {
    config: FamilyConfig,
    head: Head,
    adapters: Option<AdapterSettings>,
    whole: bool,
}

impl ToTrain {
    /// With its base in these numbers, and so much kept.
    pub(super) fn borrowed(&self, (base, memory): (BaseNumbers, Memory), on_gpu: bool) -> Planned<'_> {
        let Self { config, head, adapters, whole } = self;
        Planned { config, head, adapters: adapters.as_ref(), whole: *whole, base, memory, on_gpu }
    }
}

fn head_choice(recipe: &FinetuneRecipe, seed: u64) -> HeadChoice {
    match recipe.head {
        HeadStart::Own => HeadChoice::Own,
        HeadStart::Fresh => HeadChoice::Fresh { outputs: recipe.outputs, seed, pooling: recipe.pooling },
    }
}

fn encoder(
    recipe: &FinetuneRecipe,
    checkpoint: &Checkpoint,
    outputs: &[OutputMeaning],
) -> Result<Encoder, FinetuneError> {
    let files = TokenizerFiles::read(&checkpoint.tokenizer_folder)?;
    let scores = *outputs == [OutputMeaning::Score];
    let form = ModelForm { scores, is_decoder: checkpoint.config.family().is_decoder() };
    let template = match (&recipe.template, &recipe.from_scratch) {
        (Some(template), _) => template.clone(),
        (None, Some(scratch)) => scratch.template(scores),
        (None, None) => Template::suggested(form, &files)?.0,
    };
    if template.is_single() != scores {
        let message = format!(
            "the template `{}` does not fit {} outputs: a reward (`outputs = 1`) reads one response (`single`, \
             `single_chat`), every other head reads both",
            template.name(),
            outputs.len()
        );
        return Err(FinetuneError::Settings(message));
    }
    let most = checkpoint.config.max_positions();
    for (key, tokens) in
        [("max_tokens", Some(recipe.max_tokens)), ("predict_max_tokens", recipe.predict_max_tokens)]
    {
        if let Some(tokens) = tokens.filter(|tokens| *tokens > most) {
            return Err(FinetuneError::Settings(format!(
                "`{key}` is `{tokens}`, and the model reads {most} tokens at most"
            )));
        }
    }
    let recipe_of = EncodingRecipe { template, missing: recipe.missing.clone() };
    let budget = EncodingBudget {
        max_tokens: recipe.max_tokens,
        truncation: recipe.truncation.clone(),
        orders: recipe.orders,
    };
    let encoder = Encoder::new(&files, recipe_of, budget)?;
    encoder.check_vocabulary(checkpoint.config.vocabulary_size())?;
    encoder.pad()?;
    Ok(encoder)
}

/// One hash over configuration, tokenizer and weights.
fn fingerprint(checkpoint: &Checkpoint) -> Result<String, FinetuneError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(checkpoint.json.to_string().as_bytes());
    let tokenizer = checkpoint.tokenizer_folder.join(crate::checkpoint::files::TOKENIZER);
    for path in checkpoint.weights.files().chain([tokenizer.as_path()]) {
        hasher.update(FileMark::of(path)?.blake3.as_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of steps")]
fn rounded(steps: f64) -> u64 {
    steps.round() as u64
}

impl From<EncodingError> for FinetuneError {
    fn from(error: EncodingError) -> Self {
        Self::Encoding(Box::new(error))
    }
}

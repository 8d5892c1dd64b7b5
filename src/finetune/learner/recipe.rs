//! What a configuration says of a fine-tuning; opens nothing.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::architectures::AdapterSlot;
use crate::checkpoint::{BaseNumbers, Pooling};
use crate::encoding::{MissingResponse, Orders, Template, Truncation};
use crate::finetune::{Decay, ScratchRecipe};

/// A checkpoint that is trained on battles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinetuneRecipe {
    /// The checkpoint: a folder in the form of Hugging Face.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// What is trained.
    #[serde(default)]
    pub method: TuningMethod,
    /// Outputs of the fresh head: 3 (A, B, tie), 4 (and both bad), 2 (A, B), or 1, a reward with a Rao-Kupper link.
    #[serde(default = "three")]
    pub outputs: usize,
    /// Whether the head is a new one or that of the checkpoint.
    #[serde(default)]
    pub head: HeadStart,
    /// How hidden states become one vector in front of a fresh head; what suits the model if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// Adapters of `method = "lora"`.
    #[serde(default)]
    pub lora: LoraRecipe,
    /// The largest learning rate; 2e-4 for adapters, 2e-5 for everything and 1e-3 from scratch if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// That of the head; 1e-3 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_learning_rate: Option<f64>,
    /// Decay of matrices and tables.
    #[serde(default = "weight_decay")]
    pub weight_decay: f64,
    /// Added to the root of the mean square of gradients.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// The largest norm of all gradients together.
    #[serde(default = "one")]
    pub clip_norm: f64,
    /// The share of all steps in which the learning rate rises.
    #[serde(default = "warmup")]
    pub warmup: f64,
    /// How it falls then.
    #[serde(default)]
    pub schedule: Decay,
    /// How often every row is seen.
    #[serde(default = "one_epoch")]
    pub epochs: u32,
    /// Battles of one step.
    #[serde(default = "batch")]
    pub batch: usize,
    /// Tokens that are computed at once: memory and speed, up to rounding no result.
    #[serde(default = "micro_batch_tokens")]
    pub micro_batch_tokens: usize,
    /// Whether layers are computed a second time on the way back, for less memory.
    #[serde(default)]
    pub recompute_layers: bool,
    /// Tokens of a sequence in training, at most.
    #[serde(default = "max_tokens")]
    pub max_tokens: usize,
    /// Tokens of a sequence in prediction, at most; those of training if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predict_max_tokens: Option<usize>,
    /// What is left out of a longer one.
    #[serde(default)]
    pub truncation: Truncation,
    /// How a battle is written; what suits the model if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
    /// What stands for a response that was never recorded.
    #[serde(default)]
    pub missing: MissingResponse,
    /// In which orders the responses are read in prediction.
    #[serde(default)]
    pub orders: Orders,
    /// Whether training reads both orders of a battle, in one step.
    #[serde(default = "yes")]
    pub swap: bool,
    /// The share of each target that is spread evenly over the outputs.
    #[serde(default)]
    pub label_smoothing: f64,
    /// A small model of random weights instead of a checkpoint, with a tokenizer of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_scratch: Option<ScratchRecipe>,
    /// Stop on rows that are kept back, and take the best state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// A checkpoint of the training is written every so many steps.
    #[serde(default = "checkpoint_every")]
    pub checkpoint_every: u64,
    /// Predictions that take the place of a share of each label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teacher: Vec<TeacherRecipe>,
}

/// What is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TuningMethod {
    /// Adapters and the head.
    #[default]
    Lora,
    /// Everything.
    Full,
    /// The head alone, on hidden states that are computed once.
    Head,
}

/// Where the head begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadStart {
    /// Seeded random weights.
    #[default]
    Fresh,
    /// The classification head of the checkpoint.
    Own,
}

/// Thin products beside linear maps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraRecipe {
    /// Their rank.
    pub rank: usize,
    /// The product is multiplied by alpha / rank.
    pub alpha: f64,
    /// The share of the numbers in front of each adapter that a step leaves out, drawn from the seed.
    pub dropout: f64,
    /// Beside which linear maps.
    pub targets: Vec<AdapterSlot>,
    /// The numbers that the frozen base is kept in: memory, and what is trained on and shipped is the rounded base.
    pub base: BaseNumbers,
}

impl Default for LoraRecipe {
    fn default() -> Self {
        use AdapterSlot::{AttentionOutput, Down, Gate, Key, Query, Up, Value};
        Self {
            rank: 16,
            alpha: 32.0,
            dropout: 0.0,
            targets: vec![Query, Key, Value, AttentionOutput, Gate, Up, Down],
            base: BaseNumbers::F32,
        }
    }
}

/// When to stop before the last epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EarlyStopping {
    /// The share of the training rows that is kept back, by prompt and session.
    pub share: f64,
    /// Steps between two looks at them.
    pub every: u64,
    /// Looks without a better loss after which training ends.
    pub patience: u32,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { share: 0.1, every: 50, patience: 4 }
    }
}

/// Held-out predictions of another run for our rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherRecipe {
    /// The predictions, such as `models/TEACHER/oof.parquet`.
    pub predictions: PathBuf,
    /// The folds that they come from; `splits.csv` beside the predictions if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<PathBuf>,
    /// Its share of the target; that of the label is what all teachers leave.
    pub weight: f64,
    /// The logarithms of its probabilities are divided by this.
    #[serde(default = "one")]
    pub temperature: f64,
}

pub(super) fn three() -> usize {
    3
}
pub(super) fn one() -> f64 {
    1.0
}
pub(super) fn weight_decay() -> f64 {
    0.01
}
pub(super) fn epsilon() -> f64 {
    1e-8
}
pub(super) fn warmup() -> f64 {
    0.1
}
pub(super) fn one_epoch() -> u32 {
    1
}
pub(super) fn batch() -> usize {
    16
}
pub(super) fn micro_batch_tokens() -> usize {
    4096
}
fn max_tokens() -> usize {
    512
}
pub(super) fn checkpoint_every() -> u64 {
    100
}
fn yes() -> bool {
    true
}

impl FinetuneRecipe {
    /// The learning rates of the model and of the head.
    #[must_use]
    pub fn learning_rates(&self) -> [f64; 2] {
        let usual = match self.method {
            _ if self.from_scratch.is_some() => 1e-3,
            TuningMethod::Full => 2e-5,
            TuningMethod::Lora | TuningMethod::Head => 2e-4,
        };
        [self.learning_rate.unwrap_or(usual), self.head_learning_rate.unwrap_or(1e-3)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<FinetuneRecipe, toml::de::Error> {
        toml::from_str(&format!("model = \"m\"\n{text}"))
    }

    #[test]
    fn a_recipe_has_defaults_and_survives_being_written() {
        let recipe = read("method = \"full\"\nearly_stopping = {}\n").unwrap();
        recipe.check().unwrap();
        assert_eq!(recipe.learning_rates(), [2e-5, 1e-3]);
        assert_eq!(toml::from_str::<FinetuneRecipe>(&toml::to_string(&recipe).unwrap()).unwrap(), recipe);
    }

    #[test]
    fn unknown_keys_are_errors() {
        for text in [
            "rank = 8\n",
            "lora = { r = 8 }\n",
            "lora = { base = \"nf4\" }\n",
            "method = \"qlora\"\n",
            "early_stopping = { steps = 1 }\n",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}

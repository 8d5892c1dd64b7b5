//! `manifest.json`: what decides a run (`identity`, compared) and where it happened (`environment`, not).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::battle::{LabeledBattle, Task};
use crate::evaluation::{CascadeCost, MemberCost};
use crate::predictors::language_model::ModelInUse;
use crate::validation::AssemblyCounts;

/// The version of the layout of a run directory.
pub const FORMAT_VERSION: u32 = 1;

/// The manifest of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this layout.
    pub format_version: u32,
    /// The same for two runs of the same configuration on the same data.
    pub identity: Identity,
    /// Timings and hardware.
    pub environment: Environment,
}

/// What decides a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The version of tiebreak.
    pub tiebreak: String,
    /// What is predicted.
    pub task: Task,
    /// BLAKE3 of the resolved configuration without the paths of its files.
    pub config_hash: String,
    /// Every source of battles.
    pub data: Vec<DataIdentity>,
    /// BLAKE3 of the assignment of folds.
    pub folds_hash: String,
    /// The names of the members of the blend, in order.
    pub members: Vec<String>,
    /// Per trained fold, how many extra rows left its training because their prompt is a near-duplicate of
    /// a held-out one.
    pub extra_left_out: Vec<usize>,
    /// Mean target of the competition rows: the shares of A, B and tie.
    pub class_shares: [f64; 3],
    /// BLAKE3 of the normalised prompts of all training rows: a submission can see whether a file was
    /// trained on.
    pub prompts_hash: String,
    /// The fingerprint of every language model that the run asked, in the order of the members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// The runs that a cascade asks, the cheap one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunIdentity>,
    /// The pseudo-labels that were learned from, in the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pseudo_labels: Vec<PseudoLabels>,
}

/// Soft labels that a run gave to battles, and what they come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PseudoLabels {
    /// The name of the file of labels without its folder.
    pub file: String,
    /// BLAKE3 of its bytes.
    pub content_hash: String,
    /// The run that labelled.
    pub labeller: Labeller,
    /// The battles that it was asked about.
    pub inputs: Vec<LabelledInput>,
    /// Which of its predictions became labels.
    pub selection: Selection,
    /// What became of the rows of all inputs.
    pub rows: SelectionCounts,
    /// Mean probability of the labels: the shares of A, B and tie.
    pub class_shares: [f64; 3],
    /// Where the model of every fold labelled on its own, what became of its rows; `rows` are then those of the mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folds: Vec<LabelledFold>,
}

/// What the model of one fold labelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledFold {
    /// The fold that the model never saw.
    pub fold: u32,
    /// What became of the rows.
    pub rows: SelectionCounts,
}

/// A run that labelled, and what it had learned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labeller {
    /// Its name.
    pub run: String,
    /// `RunDir::fingerprint`.
    pub fingerprint: String,
    /// The fold whose model alone labelled; none for what the run ships, and where every fold's labelled.
    pub fold: Option<u32>,
    /// What it predicts.
    pub task: Task,
    /// What it was trained on.
    pub data: Vec<DataIdentity>,
    /// The pseudo-labels among that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pseudo_labels: Vec<PseudoLabels>,
}

/// A file of battles that were labelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledInput {
    /// The name of the file without its folder.
    pub file: String,
    /// The format that was read.
    pub format: String,
    /// BLAKE3 of the bytes of the file.
    pub content_hash: String,
    /// Its rows.
    pub offered: usize,
    /// Its rows that have a label.
    pub kept: usize,
}

/// Which predictions become labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The least that the largest of the three probabilities may be.
    pub min_confidence: f64,
    /// At most so many rows; all if none.
    pub max_rows: Option<usize>,
    /// Which rows those are.
    pub choose: Choice,
    /// Of a random choice.
    pub seed: u64,
}

/// Which rows stay where there are more than wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Those with the largest probability.
    #[default]
    Confident,
    /// Any, by the seed.
    Random,
}

/// What became of the rows that a run was asked to label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelectionCounts {
    /// Rows read.
    pub offered: usize,
    /// Rows that have a label.
    pub kept: usize,
    /// Rows that the deadline left to a fallback, which is no label.
    pub fallback: usize,
    /// Rows whose largest probability is too small.
    pub below_confidence: usize,
    /// Rows beyond the number that was wanted.
    pub over_limit: usize,
}

/// A finished run that another one asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunIdentity {
    /// Its name or path, as the configuration has it.
    pub run: String,
    /// `RunDir::fingerprint`.
    pub fingerprint: String,
}

/// One source of battles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataIdentity {
    /// The name of the file without its folder.
    pub file: String,
    /// `competition` or `extra`.
    pub role: String,
    /// The format that was read.
    pub format: String,
    /// BLAKE3 of the bytes of the file.
    pub content_hash: String,
    /// What became of its rows.
    pub rows: AssemblyCounts,
}

/// Where and how long.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Environment {
    /// The command line.
    pub command: String,
    /// Seconds from start to end.
    pub elapsed_seconds: f64,
    /// Threads used.
    pub threads: usize,
    /// Operating system and processor family.
    pub platform: String,
    /// Seconds since 1970 at the end.
    pub finished_unix_seconds: u64,
    /// Every language model: devices and why these, where each node ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelInUse>,
    /// Every member beside what it costs here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberCost>,
    /// Where each member that trains a language model did so, and why there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub training: BTreeMap<String, String>,
    /// What a cascade costs here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cascade: Option<CascadeCost>,
}

/// The mean target of some rows.
#[must_use]
pub fn class_shares(rows: &[LabeledBattle]) -> [f64; 3] {
    let mut shares = [0.0; 3];
    for row in rows {
        for (share, target) in shares.iter_mut().zip(row.target.to_array()) {
            *share += target;
        }
    }
    shares.map(|share| share / rows.len().max(1) as f64)
}

//! Everything that a report says, as plain serialisable data: `reports` renders it and computes nothing.

mod compare;
mod cost;
mod evaluate;
mod floor;
mod language;
mod learning;
mod prior;
mod reliability;
mod scores;
mod slicing;
mod tallies;
mod worst;

use serde::{Deserialize, Serialize};

pub use compare::compare;
pub use cost::{CascadeCost, MemberCost, PairCost, member_costs};
pub use evaluate::{Baseline, EvaluationRequest, evaluate};
pub use floor::{distance_to_truth, floor_of_votes};
pub use learning::{FitCurve, LearningCurve};
pub use prior::prior_predictions;
pub use reliability::reliability;
pub use scores::scores;
pub use slicing::slicings;
pub use tallies::{confidence_histogram, confusion};
pub use worst::worst_rows;

pub use crate::calibrators::{
    Candidate, CascadePoint, CascadeSummary, PositionBias, PostProcessingSummary, Uncertainty,
};

use crate::battle::{Provenance, Task};

/// Any persisted evaluation names the version of its layout.
pub const FORMAT_VERSION: u32 = 1;

/// Low and high end of a 95 % interval.
pub type Interval = [f64; 2];

/// Predictions could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// There is nothing to score.
    #[error("no row to score")]
    NoRows,
    /// Two sets of predictions are not of the same rows.
    #[error(
        "{what} is not of the same rows: {missing} ids of {expected} are missing and {extra} are extra, such as `{example}`"
    )]
    OtherRows {
        /// What does not fit, such as ``baseline `q.csv` ``.
        what: String,
        /// How many rows are scored.
        expected: usize,
        /// How many of them it lacks.
        missing: usize,
        /// How many rows it has that are not scored.
        extra: usize,
        /// One of those ids.
        example: String,
    },
    /// The recalibration that splits the log loss failed.
    #[error(transparent)]
    Calibration(#[from] crate::calibrators::CalibrationError),
}

/// The metrics of one set of predictions. Log losses in nats.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Rows.
    pub n: usize,
    /// Groups that are resampled together (prompt, session).
    pub n_groups: usize,
    /// Mean log loss against the (perhaps soft) targets, clipped and renormalised as Kaggle does.
    pub log_loss: f64,
    /// Its standard error, clustered by group.
    pub log_loss_standard_error: f64,
    /// Its 95 % interval, groups resampled.
    pub log_loss_interval: Interval,
    /// Log loss of the class prior: fitted out of fold where there are folds, else the shares of the rows.
    pub prior_log_loss: f64,
    /// Our log loss minus the prior's: negative is better.
    pub delta_to_prior: f64,
    /// Its 95 % interval, groups resampled.
    pub delta_to_prior_interval: Interval,
    /// The smallest true difference to the prior that these rows would show with 80 % power.
    pub minimum_detectable_effect_to_prior: f64,
    /// Mean Brier score, summed over the three classes: 0..2.
    pub brier: f64,
    /// Share of rows whose most probable class is the target; of a soft target its share of that class.
    pub accuracy: f64,
    /// Area under the ROC curve of A against B, where both ever won.
    pub auc_a_against_b: Option<f64>,
    /// Mean entropy of the predictions: the log loss that they expect of themselves.
    pub entropy: f64,
    /// Expected calibration error of the top label, 15 equal-width bins.
    pub ece_top_label: f64,
    /// The same with equal-mass bins.
    pub ece_top_label_equal_mass: f64,
    /// Mean over the classes of the classwise expected calibration error, 15 equal-width bins.
    pub ece_classwise: f64,
    /// The debiased (plug-in bias removed) root mean squared calibration error of the top label.
    pub calibration_error_debiased: f64,
    /// Smooth calibration error of the top label (kernel of self-chosen width).
    pub ece_smooth: f64,
    /// What each of the errors above would be for perfectly calibrated predictions of this size:
    /// the mean over labels resampled from the predictions.
    pub ece_top_label_if_perfect: f64,
    /// See `ece_top_label_if_perfect`.
    pub ece_top_label_equal_mass_if_perfect: f64,
    /// See `ece_top_label_if_perfect`.
    pub ece_classwise_if_perfect: f64,
    /// See `ece_top_label_if_perfect`.
    pub calibration_error_debiased_if_perfect: f64,
    /// See `ece_top_label_if_perfect`.
    pub ece_smooth_if_perfect: f64,
    /// What cross-fitted swap-symmetric recalibration would gain (nats); the rest of the log loss is
    /// refinement. Slightly below 0 where recalibration buys nothing.
    pub calibration_loss: f64,
    /// Log loss after cross-fitted recalibration.
    pub refinement_loss: f64,
    /// The temperature that fits these rows best; 1 is calibrated, above 1 is overconfident.
    pub temperature: f64,
    /// Whether that temperature lies at an end of its range, so that the rows do not determine it.
    pub temperature_at_bound: bool,
}

/// A paired comparison with other predictions on the same rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The file or run compared with.
    pub baseline: String,
    /// Log loss of the baseline.
    pub baseline_log_loss: f64,
    /// Ours minus the baseline's: negative is better.
    pub delta_log_loss: f64,
    /// Its standard error, clustered by group.
    pub delta_standard_error: f64,
    /// Its 95 % interval, groups resampled.
    pub delta_interval: Interval,
    /// The two-sided p-value of no difference, by Student's t over groups.
    pub delta_p_value: f64,
    /// The smallest true difference that this comparison would show with 80 % power.
    pub minimum_detectable_effect: f64,
}

/// One bin of a reliability diagram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Mean predicted probability of the rows in the bin.
    pub predicted: f64,
    /// Share of the class among them.
    pub observed: f64,
    /// Rows in the bin.
    pub count: usize,
    /// Where 95 % of the observed shares would lie if the predictions were perfectly calibrated
    /// (consistency band).
    pub consistency: Interval,
}

/// The reliability diagram of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// `A wins`, `B wins`, `tie` or `top label`.
    pub class: String,
    /// Equal-mass bins, from low to high.
    pub bins: Vec<ReliabilityBin>,
}

/// Log loss of a part of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// What the rows have in common, such as `A longer by 2x or more`.
    pub name: String,
    /// Rows.
    pub n: usize,
    /// Groups.
    pub n_groups: usize,
    /// Mean log loss.
    pub log_loss: f64,
    /// Standard error, clustered by group.
    pub standard_error: f64,
    /// Log loss of the prior on the same rows.
    pub prior_log_loss: f64,
}

/// The slices along one property of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slicing {
    /// `length difference`, `turns`, `language`, `fold`.
    pub property: String,
    /// In reading order.
    pub slices: Vec<Slice>,
}

/// One of the rows with the largest loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorstRow {
    /// The key.
    pub id: String,
    /// Its loss in nats.
    pub loss: f64,
    /// What was predicted: A, B, tie.
    pub predicted: [f64; 3],
    /// What it should have been: A, B, tie.
    pub target: [f64; 3],
    /// The prompts, cut to a readable length; empty where the text is not at hand.
    pub prompt: String,
    /// The responses of A, cut likewise.
    pub response_a: String,
    /// The responses of B, cut likewise.
    pub response_b: String,
}

/// What repeated votes or known truth say about the best log loss there is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// Where the floor comes from, in words.
    pub source: String,
    /// The log loss of a predictor that knows everything but the chance in each vote.
    pub log_loss: f64,
    /// Rows it was computed on.
    pub n: usize,
}

/// How far predictions are from known true probabilities (simulated battles only).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistanceToTruth {
    /// Mean Kullback-Leibler divergence from the truth, nats.
    pub kullback_leibler: f64,
    /// Mean total variation distance, 0..1.
    pub total_variation: f64,
    /// The entropy of the truth: the floor of the expected log loss.
    pub floor: f64,
    /// Rows whose truth is known.
    pub n: usize,
}

/// One evaluation of one set of predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The version of this layout.
    pub format_version: u32,
    /// Three classes or two.
    pub task: Task,
    /// The metrics.
    #[serde(flatten)]
    pub scores: Scores,
    /// What was scored, in words: file, rows, folds.
    pub split: String,
    /// How the predictions came to be held out.
    pub provenance: Provenance,
    /// The same metrics before post-processing.
    pub uncalibrated: Option<Scores>,
    /// The paired comparison with a baseline.
    #[serde(flatten)]
    pub comparison: Option<Comparison>,
    /// What must be said beside the numbers, such as too few groups.
    pub warnings: Vec<String>,
    /// Reliability per class and of the top label, after post-processing.
    pub reliability: Vec<Reliability>,
    /// The same before.
    pub reliability_uncalibrated: Vec<Reliability>,
    /// Rows whose largest probability falls into each of 20 equal bins from 1/3 to 1 (two-way: 1/2 to 1).
    pub confidence_histogram: Vec<usize>,
    /// Summed target shares by predicted class: rows are targets, columns predictions.
    pub confusion: [[f64; 3]; 3],
    /// Log loss along properties of the rows.
    pub slicings: Vec<Slicing>,
    /// The rows with the largest loss, largest first.
    pub worst: Vec<WorstRow>,
    /// The best log loss there is, where it is known.
    pub floor: Option<Floor>,
    /// Distance to known true probabilities.
    pub truth: Option<DistanceToTruth>,
    /// What post-processing did.
    pub post_processing: Option<PostProcessingSummary>,
    /// What a cascade comes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cascade: Option<CascadeSummary>,
    /// How fine-tuning went, one curve a predictor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learning_curves: Vec<LearningCurve>,
}

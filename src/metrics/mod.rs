//! Numbers from slices: log loss, Brier score, accuracy, calibration errors, and how sure each is.
//!
//! # Soft targets
//! A target holds shares of A, B and tie. Every metric here reads a row with shares `t` as votes in
//! these proportions: its value is the weighted mean of the values of the three one-hot rows, weighted
//! by `t`. Splitting a soft row into votes changes no metric; a one-hot target is the usual case.
//!
//! # Equal largest probabilities
//! Where several classes share the largest probability each is called the top label in equal parts, so
//! that exchanging A and B changes no metric.

mod accuracy;
mod auc;
mod bins;
mod bootstrap;
mod brier;
mod calibration_error;
mod clustered;
mod columns;
mod entropy;
mod groups;
mod log_loss;
mod perfect;
mod quantiles;
mod smooth;

pub use accuracy::{TopLabel, accuracies, top_label};
pub use auc::{auc, auc_a_against_b};
pub use bins::{Binning, Bins};
pub use bootstrap::{MIN_RELIABLE_GROUPS, Resampling, bootstrap_interval, mean_interval, quantile};
pub use brier::brier_scores;
pub use calibration_error::{
    CALIBRATION_BINS, calibration_error, calibration_error_debiased, classes_present,
    classwise_calibration_error,
};
pub use clustered::{Estimate, clustered_mean, paired_difference};
pub use columns::Columns;
pub use entropy::{entropies, entropy_of_votes, kullback_leibler, total_variation};
pub use groups::Groups;
pub use log_loss::{Clip, LN_EPSILON, log_loss, log_losses};
pub use perfect::{IfPerfect, draw_class, if_perfect};
pub use quantiles::{normal_interval, student_quantile};
pub use smooth::smooth_calibration_error;

/// The mean of some values; 0 for none.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

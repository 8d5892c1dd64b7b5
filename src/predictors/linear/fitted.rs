use linfa::dataset::Records;
use linfa::traits::PredictInplace;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::{Form, Margin, SoftmaxRecords};
use crate::battle::Probabilities;

/// How a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FitStatus {
    /// The largest component of the gradient is below the tolerance.
    Converged,
    /// The allowed iterations were used up first.
    OutOfIterations,
    /// No step lowered the objective any more: the gradient is rounding error, or the features are
    /// too badly scaled for it.
    Stalled,
}

/// How a fit went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitReport {
    /// How it ended.
    pub status: FitStatus,
    /// Steps taken.
    pub iterations: usize,
    /// Mean weighted cross-entropy plus penalty, nats.
    pub objective: f64,
    /// The largest absolute component of its gradient by weights and intercepts.
    pub gradient: f64,
}

/// A fitted softmax regression.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedSoftmax {
    /// How margins become logits.
    pub form: Form,
    /// The weights of each block: one row an output of the block, one column a feature.
    pub weights: Vec<Array2<f64>>,
    /// What is added to the margins.
    pub intercepts: Margin,
    /// How the fit went.
    pub report: FitReport,
}

impl FittedSoftmax {
    /// The margins of all rows; the blocks must be those of the fit, in their order.
    #[must_use]
    pub fn margins(&self, records: &SoftmaxRecords<'_>) -> Vec<Margin> {
        let mut margins = vec![self.intercepts; records.nsamples()];
        for (block, weights) in records.blocks().iter().zip(&self.weights) {
            if weights.iter().any(|weight| *weight != 0.0) && weights.len() == block.size() {
                block.add_products(&weights.iter().copied().collect::<Vec<_>>(), &mut margins);
            }
        }
        margins
    }
}

impl PredictInplace<SoftmaxRecords<'_>, Array2<f64>> for FittedSoftmax {
    fn predict_inplace<'a>(&'a self, records: &'a SoftmaxRecords<'_>, target: &mut Array2<f64>) {
        for (margin, mut row) in self.margins(records).into_iter().zip(target.rows_mut()) {
            let probabilities =
                self.form.probabilities(margin).map_or([f64::NAN; 3], Probabilities::to_array);
            row.assign(&ndarray::aview1(&probabilities));
        }
    }

    fn default_target(&self, records: &SoftmaxRecords<'_>) -> Array2<f64> {
        Array2::zeros((records.nsamples(), 3))
    }
}

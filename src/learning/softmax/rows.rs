use rayon::prelude::*;

use crate::predictors::linear::{CHUNK_ROWS, Form, Margin};

/// The rows of a fit without their features: what they should be and how much they count.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) form: Form,
    /// Shares of A, B and tie.
    pub(super) targets: Vec<[f64; 3]>,
    /// Sum 1; a row of weight 0 takes no part.
    pub(super) weights: Vec<f64>,
}

/// The cross-entropy along a line of margins, at one point of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AlongLine {
    pub(super) slope: f64,
    pub(super) curvature: f64,
}

impl Rows {
    /// The weighted mean of the targets.
    pub(super) fn shares(&self) -> [f64; 3] {
        let mut shares = [0.0; 3];
        for (target, weight) in self.targets.iter().zip(&self.weights) {
            for (share, value) in shares.iter_mut().zip(target) {
                *share += weight * value;
            }
        }
        shares
    }

    /// The weighted mean cross-entropy, nats.
    pub(super) fn loss(&self, margins: &[Margin]) -> f64 {
        let of_row = |row: usize| match self.weights[row] {
            weight if weight > 0.0 => {
                weight * cross_entropy(self.form.logits(margins[row]), self.targets[row])
            }
            _ => 0.0,
        };
        let starts: Vec<usize> = (0..margins.len()).step_by(CHUNK_ROWS).collect();
        let of_chunk =
            |start: &usize| (*start..margins.len().min(start + CHUNK_ROWS)).map(of_row).sum::<f64>();
        let partial: Vec<f64> = starts.par_iter().map(of_chunk).collect();
        partial.iter().sum()
    }

    /// The derivative of the loss by each margin, at `margins + step * direction`, written to
    /// `residuals`; returned are slope and curvature along the direction.
    pub(super) fn along(
        &self,
        step: f64,
        (margins, direction): (&[Margin], &[Margin]),
        residuals: &mut [Margin],
    ) -> AlongLine {
        let partial: Vec<AlongLine> = residuals
            .par_chunks_mut(CHUNK_ROWS)
            .enumerate()
            .map(|(chunk, out)| {
                let first = chunk * CHUNK_ROWS;
                let mut sum = AlongLine::default();
                for (offset, residual) in out.iter_mut().enumerate() {
                    let row = first + offset;
                    let at = self.row_along(row, step, (margins[row], direction[row]), residual);
                    sum.slope += at.slope;
                    sum.curvature += at.curvature;
                }
                sum
            })
            .collect();
        partial.into_iter().fold(AlongLine::default(), |sum, part| AlongLine {
            slope: sum.slope + part.slope,
            curvature: sum.curvature + part.curvature,
        })
    }

    fn row_along(
        &self,
        row: usize,
        step: f64,
        (margin, direction): (Margin, Margin),
        residual: &mut Margin,
    ) -> AlongLine {
        let weight = self.weights[row];
        if weight <= 0.0 {
            *residual = [0.0; 3];
            return AlongLine::default();
        }
        let (base, change) = (self.form.logits(margin), self.form.logits(direction));
        let p = softmax(std::array::from_fn(|k| base[k] + step * change[k]));
        let target = self.targets[row];
        let by_logits: [f64; 3] = std::array::from_fn(|k| weight * (p[k] - target[k]));
        *residual = self.form.pull_back(by_logits);
        let slope = (0..3).map(|k| by_logits[k] * change[k]).sum();
        let mean: f64 = (0..3).map(|k| p[k] * change[k]).sum();
        let spread: f64 = (0..3).map(|k| p[k] * (change[k] - mean).powi(2)).sum();
        AlongLine { slope, curvature: weight * spread }
    }
}

/// The probabilities of three logits.
pub(super) fn softmax(logits: [f64; 3]) -> [f64; 3] {
    let largest = logits[0].max(logits[1]).max(logits[2]);
    let e = logits.map(|logit| (logit - largest).exp());
    // A and B first, so that exchanging them changes no bit.
    let inverse = 1.0 / ((e[0] + e[1]) + e[2]);
    e.map(|value| value * inverse)
}

/// The cross-entropy of one row, nats.
pub(crate) fn cross_entropy(logits: [f64; 3], target: [f64; 3]) -> f64 {
    let largest = logits[0].max(logits[1]).max(logits[2]);
    let e = logits.map(|logit| (logit - largest).exp());
    let ln_sum = largest + ((e[0] + e[1]) + e[2]).ln();
    (0..3).map(|k| target[k] * (ln_sum - logits[k])).sum()
}

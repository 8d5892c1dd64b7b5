use serde::{Deserialize, Serialize};

use crate::battle::{Class, Probabilities};
use crate::metrics::Columns;

/// A monotone function of one number: linear between its points, constant beyond them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// Ascending.
    pub x: Vec<f64>,
    /// Ascending, as many.
    pub y: Vec<f64>,
}

/// One-against-rest isotonic regression: each class's probability through its own monotone function,
/// then divided by the sum. A diagnostic: on new battles it can lose whole nats, for it says 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Isotonic {
    /// One function a class: A, B, tie.
    pub classes: [Steps; 3],
}

impl Steps {
    /// The least squares fit of an ascending function to `(x, y)`, by pooling adjacent violators
    /// (Barlow et al. 1972). Equal `x` are averaged first, and only the ends of constant stretches
    /// are kept, as scikit-learn does it.
    #[must_use]
    pub fn fit(points: &[(f64, f64)]) -> Self {
        let mut sorted = points.to_vec();
        sorted.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)));
        // Blocks of (sum, count, first x, last x).
        let mut blocks: Vec<(f64, f64, f64, f64)> = Vec::new();
        for equal in sorted.chunk_by(|one, other| one.0 >= other.0) {
            let x = equal[0].0;
            let mut block = (equal.iter().map(|point| point.1).sum::<f64>(), equal.len() as f64, x, x);
            while let Some(last) = blocks.last().copied().filter(|last| last.0 / last.1 >= block.0 / block.1)
            {
                block = (last.0 + block.0, last.1 + block.1, last.2, block.3);
                blocks.pop();
            }
            blocks.push(block);
        }
        let mut steps = Self { x: Vec::new(), y: Vec::new() };
        for (sum, count, first, last) in blocks {
            for x in if first < last { vec![first, last] } else { vec![first] } {
                steps.x.push(x);
                steps.y.push(sum / count);
            }
        }
        steps
    }

    /// The function at `x`; 0 where nothing was fitted.
    #[must_use]
    pub fn at(&self, x: f64) -> f64 {
        let (Some(first), Some(last)) = (self.y.first(), self.y.last()) else { return 0.0 };
        let above = self.x.partition_point(|point| *point < x);
        match (above.checked_sub(1).and_then(|i| Some((self.x.get(i)?, self.y.get(i)?))), self.x.get(above)) {
            (None, _) => *first,
            (_, None) => *last,
            (Some((x0, y0)), Some(x1)) => {
                let y1 = self.y.get(above).unwrap_or(last);
                y0 + (y1 - y0) * ((x - x0) / (x1 - x0))
            }
        }
    }
}

impl Isotonic {
    pub(super) fn fit(columns: &Columns<Probabilities>) -> Self {
        let of_class = |class: Class| {
            let rows = columns.predictions.iter().zip(&columns.targets);
            Steps::fit(&rows.map(|(p, t)| (p.of(class), t.of(class))).collect::<Vec<_>>())
        };
        Self { classes: Class::ALL.map(of_class) }
    }

    pub(super) fn apply(&self, prediction: Probabilities) -> Probabilities {
        let p = prediction.to_array();
        let logits = [0, 1, 2].map(|class| self.classes[class].at(p[class]).max(0.0).ln());
        // Where every class is sent to 0 nothing is left to renormalise.
        Probabilities::from_logits(logits).unwrap_or(prediction)
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact values are tested")]
mod tests {
    use super::*;

    #[test]
    fn violators_are_pooled_and_the_ends_stay_constant() {
        let steps = Steps::fit(&[(0.1, 0.0), (0.2, 1.0), (0.3, 0.0), (0.4, 1.0)]);
        assert_eq!(steps, Steps { x: vec![0.1, 0.2, 0.3, 0.4], y: vec![0.0, 0.5, 0.5, 1.0] });
        assert_eq!((steps.at(0.0), steps.at(0.25), steps.at(2.0)), (0.0, 0.5, 1.0));
        assert!((steps.at(0.35) - 0.75).abs() < 1e-12);
        assert_eq!(Steps::fit(&[]).at(0.5), 0.0);
    }
}

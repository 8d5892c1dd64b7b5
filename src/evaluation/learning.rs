use serde::{Deserialize, Serialize};

/// How the training of one predictor went, all its fits together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearningCurve {
    /// The predictor.
    pub predictor: String,
    /// One a fold and seed, and the final ones.
    pub fits: Vec<FitCurve>,
    /// The log loss of the class shares on the rows that were kept back, mean over the fits, nats.
    pub prior_log_loss: Option<f64>,
}

/// One training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitCurve {
    /// Which, such as `fold 0`.
    pub name: String,
    /// Step and training loss (nats), means over neighbouring steps.
    pub training: Vec<[f64; 2]>,
    /// Step and log loss of the rows that were kept back from training.
    pub held_out: Vec<[f64; 2]>,
}

impl FitCurve {
    /// The curve of losses by step, counted from 1, in at most `most` points.
    #[must_use]
    pub fn new(name: String, losses: &[f64], held_out: Vec<[f64; 2]>, most: usize) -> Self {
        let width = losses.len().div_ceil(most.max(1)).max(1);
        let point = |(number, chunk): (usize, &[f64])| {
            let middle = (number * width) as f64 + f64::midpoint(chunk.len() as f64, 1.0);
            [middle, chunk.iter().sum::<f64>() / chunk.len() as f64]
        };
        Self { name, training: losses.chunks(width).enumerate().map(point).collect(), held_out }
    }

    /// The best of the rows that were kept back.
    #[must_use]
    pub fn best(&self) -> Option<[f64; 2]> {
        self.held_out.iter().copied().min_by(|one, other| one[1].total_cmp(&other[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_steps_are_one_point() {
        let curve = FitCurve::new("final".to_owned(), &[1.0, 3.0, 5.0], vec![[2.0, 1.5], [3.0, 1.2]], 2);
        assert_eq!(curve.training, [[1.5, 2.0], [3.0, 5.0]]);
        assert_eq!(curve.best(), Some([3.0, 1.2]));
        assert!(FitCurve::new(String::new(), &[], Vec::new(), 5).training.is_empty());
    }
}

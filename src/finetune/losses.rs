use super::FinetuneError;
use crate::ties::rao_kupper_slopes;

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Of the softmax of the outputs against a distribution over them; one row of the batch an example.
    CrossEntropy {
        /// This share of each target is spread evenly over the outputs.
        label_smoothing: f64,
    },
    /// Of one reward a row, the rows of A and B one behind the other, against P(A), P(B), P(tie).
    RaoKupper {
        /// Half of the logarithm of Rao and Kupper's theta; 0 is Bradley and Terry's model, for which a tie counts half for each
        /// side.
        eta: f64,
    },
}

/// What the outputs should say of each example of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    /// Classes of each example: the outputs, or A, B and tie.
    pub classes: usize,
    /// Example by example; those of one sum to 1.
    pub probabilities: Vec<f64>,
    /// One an example.
    pub weights: Vec<f64>,
}

impl Targets {
    /// Checks the numbers.
    ///
    /// # Errors
    /// `FinetuneError::Targets` for a distribution that is none, or a weight below 0.
    pub fn new(classes: usize, probabilities: Vec<f64>, weights: Vec<f64>) -> Result<Self, FinetuneError> {
        let fault = |message: String| Err(FinetuneError::Targets(message));
        if classes == 0 || probabilities.len() != classes * weights.len() {
            let found = probabilities.len();
            return fault(format!(
                "{found} target probabilities for {} examples of {classes} classes",
                weights.len()
            ));
        }
        for (example, target) in probabilities.chunks_exact(classes).enumerate() {
            let sum: f64 = target.iter().sum();
            if target.iter().any(|&p| !(0.0..=1.0).contains(&p)) || (sum - 1.0).abs() > 1e-6 {
                return fault(format!("the target of example {example} is no distribution: {target:?}"));
            }
        }
        if let Some(weight) = weights.iter().find(|weight| !(weight.is_finite() && **weight >= 0.0)) {
            return fault(format!("the weight {weight} of an example is not a number from 0"));
        }
        Ok(Self { classes, probabilities, weights })
    }

    /// The sum of the weights.
    #[must_use]
    pub fn total_weight(&self) -> f64 {
        self.weights.iter().sum()
    }
}

/// A loss and its slope by each output.
#[derive(Clone, Debug, PartialEq)]
pub struct LossAndGradient {
    /// The sum of weight times loss over the examples, divided by the normaliser.
    pub loss: f64,
    /// One an output, row by row.
    pub gradient: Vec<f32>,
}

impl Loss {
    /// How many outputs a row must have, and how many rows an example.
    fn shape(self, classes: usize) -> [usize; 2] {
        match self {
            Self::CrossEntropy { .. } => [classes, 1],
            Self::RaoKupper { .. } => [1, 2],
        }
    }

    /// The loss of the outputs of a batch; `normaliser` is the sum of weights of all the batches of a step.
    ///
    /// # Errors
    /// `FinetuneError::Targets` for another number of outputs than the targets need.
    #[expect(clippy::cast_possible_truncation, reason = "gradients are f32")]
    pub fn of(
        self,
        outputs: &[f32],
        targets: &Targets,
        normaliser: f64,
    ) -> Result<LossAndGradient, FinetuneError> {
        let classes = targets.classes;
        let [width, rows] = self.shape(classes);
        let expected = width * rows * targets.weights.len();
        if outputs.len() != expected || (rows == 2 && classes != 3) {
            let message = format!(
                "{} outputs for {} examples of {classes} classes; {expected} are needed",
                outputs.len(),
                targets.weights.len()
            );
            return Err(FinetuneError::Targets(message));
        }
        let mut sum = LossAndGradient { loss: 0.0, gradient: Vec::with_capacity(expected) };
        let examples = outputs.chunks_exact(width * rows).zip(targets.probabilities.chunks_exact(classes));
        for ((outputs, target), weight) in examples.zip(&targets.weights) {
            let (loss, slopes) = match self {
                Self::CrossEntropy { label_smoothing } => cross_entropy(outputs, target, label_smoothing),
                Self::RaoKupper { eta } => paired(outputs, target, eta),
            };
            let share = weight / normaliser;
            sum.loss += share * loss;
            sum.gradient.extend(slopes.into_iter().map(|slope| (share * slope) as f32));
        }
        Ok(sum)
    }
}

/// Minus the sum of target times log softmax; the targets smoothed as torch does it.
fn cross_entropy(outputs: &[f32], target: &[f64], smoothing: f64) -> (f64, Vec<f64>) {
    let most = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shifted: Vec<f64> = outputs.iter().map(|&z| f64::from(z) - f64::from(most)).collect();
    let ln_sum = shifted.iter().map(|z| z.exp()).sum::<f64>().ln();
    let even = smoothing / outputs.len() as f64;
    let mut loss = 0.0;
    let slopes = shifted.iter().zip(target).map(|(z, target)| {
        let target = target * (1.0 - smoothing) + even;
        let ln_probability = z - ln_sum;
        loss -= target * ln_probability;
        ln_probability.exp() - target
    });
    let slopes = slopes.collect();
    (loss, slopes)
}

/// The loss of two rewards.
fn paired(outputs: &[f32], target: &[f64], eta: f64) -> (f64, Vec<f64>) {
    let difference = f64::from(outputs[0]) - f64::from(outputs[1]);
    let half = target[2] / 2.0;
    let target = if eta == 0.0 {
        [target[0] + half, target[1] + half, 0.0]
    } else {
        [target[0], target[1], target[2]]
    };
    let (mut loss, mut slope) = (0.0, 0.0);
    for ([ln_probability, by_difference], target) in
        rao_kupper_slopes(difference, eta).into_iter().zip(target)
    {
        if target > 0.0 {
            loss -= target * ln_probability;
            slope -= target * by_difference;
        }
    }
    (loss, vec![slope, -slope])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(loss: Loss, outputs: &[f32], targets: &Targets) {
        let here = loss.of(outputs, targets, 2.0).unwrap();
        for place in 0..outputs.len() {
            let shifted = |by: f32| {
                let mut outputs = outputs.to_vec();
                outputs[place] += by;
                loss.of(&outputs, targets, 2.0).unwrap().loss
            };
            let expected = (shifted(0.01) - shifted(-0.01)) / 0.02;
            assert!((f64::from(here.gradient[place]) - expected).abs() < 1e-4, "{loss:?} {place}");
        }
    }

    fn targets() -> Targets {
        Targets::new(3, vec![0.2, 0.5, 0.3, 1.0, 0.0, 0.0], vec![1.0, 0.5]).unwrap()
    }

    #[test]
    fn gradients_are_slopes() {
        for label_smoothing in [0.0, 0.1] {
            check(Loss::CrossEntropy { label_smoothing }, &[0.1, -0.4, 1.2, 2.0, 0.3, -1.0], &targets());
        }
        for eta in [0.0, 0.3] {
            check(Loss::RaoKupper { eta }, &[0.5, -0.2, 1.5, 1.7], &targets());
        }
    }

    #[test]
    fn the_loss_of_even_outputs_is_the_logarithm_of_their_number() {
        let even = Loss::CrossEntropy { label_smoothing: 0.0 }.of(&[7.0; 6], &targets(), 1.5).unwrap();
        assert!((even.loss - 3f64.ln()).abs() < 1e-12);
        let level = Loss::RaoKupper { eta: 0.0 }.of(&[3.0; 4], &targets(), 1.5).unwrap();
        assert!((level.loss - 2f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn targets_that_do_not_fit_are_refused() {
        assert!(Targets::new(3, vec![0.5, 0.5], vec![1.0]).is_err());
        assert!(Targets::new(2, vec![0.5, 0.6], vec![1.0]).is_err());
        assert!(Targets::new(2, vec![0.5, 0.5], vec![-1.0]).is_err());
        let loss = Loss::CrossEntropy { label_smoothing: 0.0 };
        assert!(loss.of(&[0.0; 5], &targets(), 1.0).is_err());
    }

    #[test]
    fn outputs_that_are_not_numbers_give_a_loss_that_is_none() {
        let loss = Loss::CrossEntropy { label_smoothing: 0.0 };
        assert!(loss.of(&[f32::NAN, 0.0, 0.0, 0.0, 0.0, 0.0], &targets(), 1.0).unwrap().loss.is_nan());
    }
}

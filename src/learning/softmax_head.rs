//! A softmax regression on the states of a language model, as the weights of a linear head.

use ndarray::Array2;

use super::FitError;
use super::softmax::{Limits, Problem, SoftmaxError, Transposed, cross_entropy};
use crate::predictors::linear::{Form, Matrix, SoftmaxRecords};

/// Penalties on standardised states, strongest first.
const PENALTIES: [f64; 13] = [10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5];
/// The path ends after this many penalties in a row that were worse than the best.
const WORSE: usize = 3;
const SEARCH: Limits = Limits { tolerance: 1e-5, gain: 1e-5, iterations: 100 };
const FINAL: Limits = Limits { tolerance: 3e-6, gain: 0.0, iterations: 400 };
/// A state that varies less than this beside its size is a constant.
const LEAST_SPREAD: f64 = 1e-6;

/// Sequences with their pooled states and what the head should say of them.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    width: usize,
    states: Vec<f32>,
    targets: Vec<[f64; 3]>,
    weights: Vec<f64>,
    kept_back: Vec<bool>,
}

impl Samples {
    /// Adds a sequence: its states, the shares of first, second and tie with the weight, and whether it is kept back to
    /// choose the penalty.
    pub fn push(&mut self, states: &[f32], (target, weight): ([f64; 3], f64), is_kept_back: bool) {
        self.width = states.len();
        self.states.extend(states);
        self.targets.push(target);
        self.weights.push(weight);
        self.kept_back.push(is_kept_back);
    }

    /// States to mean 0 and spread 1 over all sequences; gives the means and the spreads.
    fn standardised(&self) -> (Array2<f32>, Vec<[f64; 2]>) {
        let rows = self.targets.len();
        let column = |place: usize| self.states[place..].iter().step_by(self.width).map(|v| f64::from(*v));
        let scales: Vec<[f64; 2]> = (0..self.width)
            .map(|place| {
                let mean = column(place).sum::<f64>() / rows as f64;
                let variance = column(place).map(|value| (value - mean).powi(2)).sum::<f64>() / rows as f64;
                let spread = variance.sqrt();
                [mean, if spread > LEAST_SPREAD * mean.abs() { spread } else { f64::INFINITY }]
            })
            .collect();
        let matrix = Array2::from_shape_fn((rows, self.width), |(row, place)| {
            let [mean, spread] = scales[place];
            narrow((f64::from(self.states[row * self.width + place]) - mean) / spread)
        });
        (matrix, scales)
    }

    fn weights_of(&self, kept_back: bool) -> Vec<f64> {
        let of = |(weight, kept): (&f64, &bool)| if *kept == kept_back { *weight } else { 0.0 };
        self.weights.iter().zip(&self.kept_back).map(of).collect()
    }
}

/// A head of three outputs: first, second, tie.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedHead {
    /// One row of weights an output.
    pub weights: [Vec<f32>; 3],
    /// One an output.
    pub intercepts: [f32; 3],
    /// The penalty that was best on the rows that were kept back.
    pub penalty: f64,
    /// The log loss there, of a fit without them, nats.
    pub held_out_log_loss: f64,
    /// That of the class shares.
    pub prior_log_loss: f64,
}

/// Chooses the penalty on the rows that were kept back, then fits to all.
///
/// # Errors
/// `FitError` without rows to learn from, or with states that are not finite.
pub fn fit(samples: &Samples) -> Result<FittedHead, FitError> {
    if samples.targets.is_empty() {
        return Err(FitError::NoBattles);
    }
    let (states, scales) = samples.standardised();
    let records = SoftmaxRecords::multinomial(states.nrows(), vec![Matrix::single(&states)]);
    let records = records.ok_or_else(|| FitError::Failed("states and rows differ in number".to_owned()))?;
    let transposed = Transposed::new(&records);
    let targets =
        Array2::from_shape_fn((samples.targets.len(), 3), |(row, class)| samples.targets[row][class]);
    let chosen = choose(samples, &transposed, &targets)?;
    let problem = Problem::new(&transposed, &targets, samples.weights.clone())?;
    let model = problem.solve(&[chosen.penalty], None, FINAL).model;
    let mut intercepts = model.intercepts;
    let weights = [0, 1, 2].map(|output| -> Vec<f32> {
        let of_state = |(weight, [mean, spread]): (&f64, &[f64; 2])| {
            intercepts[output] -= weight / spread * mean;
            narrow(weight / spread)
        };
        model.weights[0].row(output).iter().zip(&scales).map(of_state).collect()
    });
    Ok(FittedHead { weights, intercepts: intercepts.map(narrow), ..chosen })
}

/// The best penalty along the path; weights and intercepts are still empty.
fn choose(
    samples: &Samples,
    transposed: &Transposed<'_>,
    targets: &Array2<f64>,
) -> Result<FittedHead, SoftmaxError> {
    let problem = Problem::new(transposed, targets, samples.weights_of(false))?;
    let looked_at = samples.weights_of(true);
    let total: f64 = looked_at.iter().sum();
    let mut start = problem.solve(&[f64::INFINITY], None, SEARCH);
    let loss = |margins: &[[f64; 3]]| -> f64 {
        let rows = margins.iter().zip(&samples.targets).zip(&looked_at);
        rows.map(|((margin, target), weight)| {
            weight * cross_entropy(Form::Multinomial.logits(*margin), *target)
        })
        .sum::<f64>()
            / total
    };
    let prior_log_loss = loss(&start.margins);
    let (mut best, mut worse) = ((PENALTIES[0], f64::INFINITY), 0);
    for penalty in PENALTIES {
        start = problem.solve(&[penalty], Some(&start.model), SEARCH);
        let found = loss(&start.margins);
        if found < best.1 {
            (best, worse) = ((penalty, found), 0);
        } else {
            worse += 1;
        }
        if worse == WORSE {
            break;
        }
    }
    let (penalty, held_out_log_loss) = best;
    Ok(FittedHead {
        weights: Default::default(),
        intercepts: [0.0; 3],
        penalty,
        held_out_log_loss,
        prior_log_loss,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "heads are f32")]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first state says which side wins; the second is a constant, the third noise.
    fn samples(rows: usize) -> Samples {
        let mut samples = Samples::default();
        for row in 0..rows {
            let noise = f32::from(u16::try_from(row * 7919 % 101).unwrap()) / 101.0;
            for (side, target) in
                [(1.0_f32, [1.0, 0.0, 0.0]), (-1.0, [0.0, 1.0, 0.0]), (0.0, [0.0, 0.0, 1.0])]
            {
                samples.push(&[100.0 + side + 0.3 * noise, 7.0, noise], (target, 0.5), row % 5 == 0);
            }
        }
        samples
    }

    #[test]
    fn the_weights_apply_to_states_as_they_are() {
        let samples = samples(60);
        let head = fit(&samples).unwrap();
        assert!(head.held_out_log_loss < 0.5 * head.prior_log_loss, "{head:?}");
        assert!(head.weights.iter().all(|weights| weights[1] == 0.0), "a constant says nothing: {head:?}");
        for (states, target) in samples.states.chunks(3).zip(&samples.targets) {
            let logits = [0, 1, 2].map(|output| {
                let products = head.weights[output].iter().zip(states);
                f64::from(head.intercepts[output])
                    + products.map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>()
            });
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let said = logits.map(|logit| f64::from(u8::from(logit == largest)));
            assert_eq!(said, *target);
        }
    }

    #[test]
    fn no_rows_and_states_that_are_not_finite_are_refused() {
        assert!(matches!(fit(&Samples::default()), Err(FitError::NoBattles)));
        let mut samples = samples(10);
        samples.states[4] = f32::NAN;
        assert!(fit(&samples).is_err());
    }
}

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::FinetuneError;
use crate::architectures::Role;
use crate::compute::{ComputeError, ParameterInfo, Parameters, Part};

/// How weights are moved (Loshchilov and Hutter 2019), with torch's formulas and order of operations.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamWSettings {
    /// The largest learning rate, of the checkpoint's weights and of adapters.
    pub learning_rate: f64,
    /// That of the head; a fresh one may learn faster.
    pub head_learning_rate: f64,
    /// How fast the two means forget.
    pub betas: [f64; 2],
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// How much of a weight goes in a step, times the learning rate; of matrices and tables only.
    pub weight_decay: f64,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        let rate = 2e-4;
        Self {
            learning_rate: rate,
            head_learning_rate: rate,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.01,
        }
    }
}

impl AdamWSettings {
    /// Learning rate and weight decay of a parameter.
    fn group(&self, info: &ParameterInfo) -> [f64; 2] {
        let rate = if info.part == Part::Head { self.head_learning_rate } else { self.learning_rate };
        let decay = match info.parameter.role {
            Role::Matrix | Role::Table => self.weight_decay,
            Role::Bias | Role::Norm => 0.0,
        };
        [rate, decay]
    }

    pub(super) fn check(&self) -> Result<(), FinetuneError> {
        let rates = [self.learning_rate, self.head_learning_rate];
        let sound = rates.iter().all(|rate| *rate > 0.0 && rate.is_finite())
            && self.betas.iter().all(|beta| (0.0..1.0).contains(beta))
            && self.epsilon > 0.0
            && self.weight_decay >= 0.0;
        if sound {
            return Ok(());
        }
        let message = format!(
            "{self:?}: learning rates and epsilon must be above 0, betas from 0 to below 1, weight decay not below 0"
        );
        Err(FinetuneError::Settings(message))
    }
}

/// The means of gradients and of their squares, by the name of the parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamW {
    pub(super) settings: AdamWSettings,
    pub(super) steps: u64,
    pub(super) moments: BTreeMap<String, [Vec<f32>; 2]>,
}

/// Numbers that one task works on.
const TASK: usize = 1 << 14;

impl AdamW {
    /// At the first step.
    #[must_use]
    pub fn new(settings: AdamWSettings) -> Self {
        Self { settings, steps: 0, moments: BTreeMap::new() }
    }

    /// Moves every parameter that has a gradient; `factor` is that of the schedule.
    ///
    /// # Errors
    /// `FinetuneError::Compute` for a gradient of a parameter that is not there.
    pub fn step(
        &mut self,
        parameters: &mut Parameters,
        gradients: &BTreeMap<String, Vec<f32>>,
        factor: f64,
    ) -> Result<(), FinetuneError> {
        self.steps += 1;
        let infos: Vec<ParameterInfo> = parameters.trainable().cloned().collect();
        for info in infos {
            let name = &info.parameter.name;
            let gradient =
                gradients.get(name).ok_or_else(|| ComputeError::NotLoaded(format!("gradient of {name}")))?;
            let moments = self.moments.entry(name.clone());
            let moments = moments.or_insert_with(|| [0, 1].map(|_| vec![0.0; gradient.len()]));
            let [rate, decay] = self.settings.group(&info);
            let update = Update::new(&self.settings, self.steps, rate * factor, decay);
            parameters.change(name, |weights| update.apply(weights, gradient, moments))?;
        }
        Ok(())
    }
}

/// The numbers of one step of one group, rounded as torch rounds them.
#[derive(Clone, Copy, Debug)]
struct Update {
    keep: f32,
    first: f32,
    second: [f32; 2],
    root: f32,
    epsilon: f32,
    size: f32,
}

impl Update {
    #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
    fn new(settings: &AdamWSettings, steps: u64, rate: f64, decay: f64) -> Self {
        let [first, second] = settings.betas;
        let power = i32::try_from(steps).unwrap_or(i32::MAX);
        let [correction, square_correction] = [first, second].map(|beta| 1.0 - beta.powi(power));
        Self {
            keep: (1.0 - rate * decay) as f32,
            first: (1.0 - first) as f32,
            second: [second as f32, (1.0 - second) as f32],
            root: square_correction.sqrt() as f32,
            epsilon: settings.epsilon as f32,
            size: (rate / correction) as f32,
        }
    }

    fn apply(&self, weights: &mut [f32], gradient: &[f32], [means, squares]: &mut [Vec<f32>; 2]) {
        let tasks = weights.par_chunks_mut(TASK).zip(gradient.par_chunks(TASK));
        let tasks = tasks.zip(means.par_chunks_mut(TASK).zip(squares.par_chunks_mut(TASK)));
        tasks.for_each(|((weights, gradient), (means, squares))| {
            let numbers = weights.iter_mut().zip(gradient).zip(means.iter_mut().zip(squares));
            for ((weight, &gradient), (mean, square)) in numbers {
                *mean += (gradient - *mean) * self.first;
                *square = *square * self.second[0] + gradient * gradient * self.second[1];
                let spread = square.sqrt() / self.root + self.epsilon;
                *weight = *weight * self.keep - self.size * (*mean / spread);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architectures::Parameter;

    fn parameters(role: Role) -> Parameters {
        let mut parameters = Parameters::default();
        let parameter = Parameter { name: "w".to_owned(), shape: vec![2], role };
        parameters.insert(parameter, Part::Base, vec![1.0, -2.0]).unwrap();
        parameters.choose(|_| true);
        parameters
    }

    fn after(role: Role, steps: usize) -> Vec<f32> {
        let mut parameters = parameters(role);
        let settings = AdamWSettings { learning_rate: 0.1, weight_decay: 0.5, ..AdamWSettings::default() };
        let mut optimizer = AdamW::new(settings);
        let gradients = [("w".to_owned(), vec![0.5, -0.25])].into();
        for _ in 0..steps {
            optimizer.step(&mut parameters, &gradients, 1.0).unwrap();
        }
        parameters.numbers("w").unwrap()
    }

    #[test]
    fn the_first_step_goes_by_the_learning_rate_and_decays_matrices_only() {
        let close = |found: Vec<f32>, expected: [f32; 2]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        };
        close(after(Role::Norm, 1), [0.9, -1.9]);
        close(after(Role::Matrix, 1), [0.85, -1.8]);
        // torch 2.15: AdamW([w], lr=0.1, weight_decay=0.5), three steps with this gradient.
        close(after(Role::Matrix, 3), [0.572_125, -1.429_5]);
    }

    #[test]
    fn a_parameter_without_a_gradient_is_an_error() {
        let mut optimizer = AdamW::new(AdamWSettings::default());
        let error = optimizer.step(&mut parameters(Role::Matrix), &BTreeMap::new(), 1.0).unwrap_err();
        assert!(error.to_string().contains("gradient of w"), "{error}");
    }
}

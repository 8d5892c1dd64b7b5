use std::collections::HashMap;

use candle_core::{Device, Tensor};

use super::interpreter::Interpreter;
use super::{ComputeError, PaddedBatch};
use crate::architectures::{Parameter, States, hidden_states, needed_weights};
use crate::checkpoint::{FamilyConfig, Weights};

/// A model in memory, in f32.
#[derive(Debug)]
pub struct Model {
    config: FamilyConfig,
    parameters: HashMap<String, Tensor>,
}

impl Model {
    /// Reads every weight that the configuration needs; all are frozen.
    ///
    /// # Errors
    /// `ComputeError::Checkpoint` names the weights that are missing.
    pub fn load(config: &FamilyConfig, weights: &Weights) -> Result<Self, ComputeError> {
        let needed = needed_weights(config);
        let shapes: Vec<(String, Vec<usize>)> =
            needed.iter().map(|parameter| (parameter.name.clone(), parameter.shape.clone())).collect();
        weights.check(&shapes)?;
        let parameters = needed
            .into_iter()
            .map(|Parameter { name, shape, .. }| {
                let values = weights.get(&name, &shape)?.values();
                Ok((name, Tensor::from_vec(values, shape, &Device::Cpu)?))
            })
            .collect::<Result<_, ComputeError>>()?;
        Ok(Self { config: config.clone(), parameters })
    }

    /// The hidden states of a batch, row by row: [rows, length, width] or, of the last token alone,
    /// [rows, width].
    ///
    /// # Errors
    /// `ComputeError` for a batch that is too long, a token beyond the vocabulary, or a fault of candle.
    pub fn hidden_states(&self, batch: &PaddedBatch, states: States) -> Result<Vec<f32>, ComputeError> {
        let rows = self.config.vocabulary_size();
        if let Some(beyond) = batch.ids.iter().find(|&&id| usize::try_from(id).is_ok_and(|id| id >= rows)) {
            return Err(ComputeError::Batch(format!(
                "token {beyond} is beyond the {rows} rows of the table"
            )));
        }
        if batch.length > self.config.max_positions() {
            let message = format!("{} tokens, the model takes {}", batch.length, self.config.max_positions());
            return Err(ComputeError::Batch(message));
        }
        let mut interpreter = Interpreter::new(&self.parameters, batch);
        let hidden = hidden_states(&mut interpreter, &self.config, states)?;
        Ok(hidden.flatten_all()?.to_vec1()?)
    }
}

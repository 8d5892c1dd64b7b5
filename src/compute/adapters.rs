use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{ComputeError, Model, Parameters, Part};
use crate::architectures::{AdapterSlot, Linear, Parameter, Role};
use crate::checkpoint::Merge;

/// Thin products beside linear maps (`LoRA`, Hu et al. 2021).
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterSettings {
    /// Rows of A, columns of B.
    pub rank: usize,
    /// The product is multiplied by alpha / rank.
    pub alpha: f64,
    /// Beside which maps of every layer.
    pub slots: Vec<AdapterSlot>,
    /// The share of the numbers in front of each adapter that a step leaves out, from 0 to below 1.
    pub dropout: f64,
    /// Decides the first A; the first B is 0.
    pub seed: u64,
}

impl AdapterSettings {
    /// alpha / rank.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "tensors are f32")]
    pub fn scale(&self) -> f32 {
        (self.alpha / self.rank.max(1) as f64) as f32
    }
}

/// The names of the parts of an adapter, as PEFT calls them: A and B.
#[must_use]
pub fn adapter_names(linear: &str) -> [String; 2] {
    ["lora_A", "lora_B"].map(|part| format!("{linear}.{part}.weight"))
}

impl Model {
    /// The adapter beside a linear map, where there is one, as it is added to the weight.
    ///
    /// # Errors
    /// `ComputeError::NotLoaded` for an adapter without its parts, which is a fault of this program.
    pub fn merge(&self, linear: &Linear) -> Result<Option<Merge>, ComputeError> {
        let Some(scale) = self.parameters().scale(&linear.name) else { return Ok(None) };
        let [down, up] = adapter_names(&linear.name).map(|name| self.parameters().numbers(&name));
        Ok(Some(Merge { inputs: linear.inputs, down: down?, up: up?, scale }))
    }

    /// The weight of a linear map as a graph takes it: the adapter beside it added, summed in f64.
    ///
    /// # Errors
    /// `ComputeError::NotLoaded` for a map that the model does not have.
    pub fn merged(&self, linear: &Linear) -> Result<Vec<f32>, ComputeError> {
        let mut weight = self.parameters().numbers(&linear.weight().name)?;
        if let Some(merge) = self.merge(linear)? {
            merge.add_to(&mut weight);
        }
        Ok(weight)
    }
}

/// Puts an adapter beside each of the maps: A uniform as PEFT draws it (Kaiming, a = sqrt 5), B zero.
pub(super) fn add_adapters(
    parameters: &mut Parameters,
    linears: &[Linear],
    settings: &AdapterSettings,
) -> Result<(), ComputeError> {
    let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
    for linear in linears.iter().filter(|linear| settings.slots.contains(&linear.slot)) {
        let [down, up] = adapter_names(&linear.name);
        let values = uniform(&mut random, settings.rank * linear.inputs, linear.inputs);
        let matrix = |name, shape| Parameter { name, shape, role: Role::Matrix };
        parameters.insert(matrix(down, vec![settings.rank, linear.inputs]), Part::Adapter, values)?;
        let zeros = vec![0.0; linear.outputs * settings.rank];
        parameters.insert(matrix(up, vec![linear.outputs, settings.rank]), Part::Adapter, zeros)?;
        parameters.set_scale(&linear.name, settings.scale());
    }
    Ok(())
}

/// Uniform between plus and minus 1 / sqrt(inputs).
#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
fn uniform(random: &mut ChaCha8Rng, count: usize, inputs: usize) -> Vec<f32> {
    let bound = 1.0 / (inputs.max(1) as f64).sqrt();
    (0..count).map(|_| ((2.0 * random.random::<f64>() - 1.0) * bound) as f32).collect()
}

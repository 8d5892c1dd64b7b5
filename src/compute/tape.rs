use std::fmt;

use candle_core::Tensor;

use super::ComputeError;
use super::engine::Steps;
use super::kernels::activations::combine;
use super::numbers::{copied, numbers, tensor};

/// A tensor and, where a gradient is wanted of it, its place on the tape.
///
/// candle's own graph is not used: some of its operations give no gradient and no error, it computes gradients of
/// frozen weights, and it adds each gradient to zeros. What is recorded here has a way back, by construction.
#[derive(Clone, Debug)]
pub struct Value {
    pub(super) tensor: Tensor,
    pub(super) node: Option<usize>,
}

impl Value {
    /// A value that no gradient is wanted of.
    pub(super) fn constant(tensor: Tensor) -> Self {
        Self { tensor, node: None }
    }

    /// Its numbers, rows first.
    ///
    /// # Errors
    /// `ComputeError::Candle`, which is a fault of this program.
    pub fn numbers(&self) -> Result<Vec<f32>, ComputeError> {
        copied(&self.tensor)
    }
}

type Back = Box<dyn FnOnce(Tensor, &mut Gradients) -> Result<(), ComputeError>>;

/// What was computed, in order, with the way back of each step; a step frees what it kept as soon as it is gone back.
#[derive(Default)]
pub(super) struct Tape {
    /// By which steps is computed.
    by: Steps,
    steps: Vec<Option<Back>>,
}

impl fmt::Debug for Tape {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "Tape of {} steps", self.steps.len())
    }
}

impl Tape {
    /// An empty one of what is computed by these steps.
    pub(super) fn by(steps: Steps) -> Self {
        Self { by: steps, ..Self::default() }
    }

    /// By which steps is computed.
    pub(super) fn steps(&self) -> Steps {
        self.by
    }

    /// A value that a gradient is wanted of and that is computed from nothing.
    pub(super) fn leaf(&mut self, tensor: Tensor) -> Value {
        self.steps.push(None);
        Value { tensor, node: Some(self.steps.len() - 1) }
    }

    /// The result of a step; kept only where a gradient is wanted of any of its inputs.
    pub(super) fn record(
        &mut self,
        inputs: &[&Value],
        tensor: Tensor,
        back: impl FnOnce(Tensor, &mut Gradients) -> Result<(), ComputeError> + 'static,
    ) -> Value {
        if inputs.iter().all(|input| input.node.is_none()) {
            return Value::constant(tensor);
        }
        self.steps.push(Some(Box::new(back)));
        Value { tensor, node: Some(self.steps.len() - 1) }
    }

    /// Goes back from values whose gradients are known to the leaves.
    pub(super) fn backward(self, known: Vec<(Value, Tensor)>) -> Result<Gradients, ComputeError> {
        let mut gradients = Gradients { by: self.by, slots: vec![None; self.steps.len()] };
        for (value, gradient) in known {
            gradients.add(value.node, gradient)?;
        }
        for (node, step) in self.steps.into_iter().enumerate().rev() {
            let Some(step) = step else { continue };
            if let Some(gradient) = gradients.slots[node].take() {
                step(gradient, &mut gradients)?;
            }
        }
        Ok(gradients)
    }
}

/// The gradients that are known so far. Their shapes may differ from those of the values, their order does not.
#[derive(Debug)]
pub(super) struct Gradients {
    by: Steps,
    slots: Vec<Option<Tensor>>,
}

impl Gradients {
    /// Adds to the gradient of a value, where one is wanted.
    pub(super) fn add(&mut self, node: Option<usize>, gradient: Tensor) -> Result<(), ComputeError> {
        let Some(slot) = node.and_then(|node| self.slots.get_mut(node)) else { return Ok(()) };
        *slot = Some(match slot.take() {
            None => gradient,
            Some(earlier) => sum(self.by, &earlier, &gradient)?,
        });
        Ok(())
    }

    /// The gradient of a leaf.
    pub(super) fn take(&mut self, leaf: &Value) -> Option<Tensor> {
        leaf.node.and_then(|node| self.slots.get_mut(node)).and_then(Option::take)
    }
}

/// The sum of two tensors of the same number of numbers.
pub(super) fn sum(steps: Steps, a: &Tensor, b: &Tensor) -> Result<Tensor, ComputeError> {
    match steps {
        Steps::Loops => {
            let sum = combine([&numbers(a)?, &numbers(b)?], |[a, b]| a + b);
            tensor(sum, a.dims())
        }
        Steps::Tensors => Ok((a + b.reshape(a.shape())?)?),
    }
}

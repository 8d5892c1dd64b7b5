use candle_core::Tensor;

use super::interpreter::Interpreter;
use super::tape::Value;
use super::{ComputeError, Dropout, PackedBatch, Parameters};
use crate::architectures::{Attention, Embedding, Linear, Norm, Operations};
use crate::checkpoint::Activation;

/// What a layer got, kept for the way back.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    carried: Vec<Tensor>,
    /// Whether anything before it is trained, so that its gradient is wanted.
    wanted: bool,
}

/// Computes a model layer by layer (Chen et al. 2016): the first time nothing is kept but what each layer gets;
/// on the way back the architecture is gone through again for each segment between two boundaries, doing only what
/// lies in it.
#[derive(Debug)]
pub(super) struct Segments<'a> {
    pub(super) inner: Interpreter<'a>,
    kept: Vec<Kept>,
    /// The segment that is computed; all of them the first time.
    only: Option<usize>,
    met: usize,
    pub(super) got: Vec<Value>,
    pub(super) gave: Vec<Value>,
}

impl<'a> Segments<'a> {
    /// The first time.
    pub(super) fn all(parameters: &'a Parameters, batch: &'a PackedBatch, dropout: Option<Dropout>) -> Self {
        let inner = Interpreter::training(parameters, batch, dropout);
        Self { inner, kept: vec![], only: None, met: 0, got: vec![], gave: vec![] }
    }

    /// One segment again; segment n begins at boundary n, counted from 1, and segment 0 is what stands before.
    pub(super) fn one(
        (parameters, dropout): (&'a Parameters, Option<Dropout>),
        batch: &'a PackedBatch,
        kept: Vec<Kept>,
        which: usize,
    ) -> Self {
        let inner = Interpreter::recording(parameters, batch, dropout);
        Self { inner, kept, only: Some(which), met: 0, got: vec![], gave: vec![] }
    }

    /// What the layers got.
    pub(super) fn into_kept(self) -> Vec<Kept> {
        self.kept
    }

    /// Whether this is computed, or gone through without doing anything.
    pub(super) fn is_active(&self) -> bool {
        self.only.is_none_or(|which| which == self.met)
    }

    fn carried(&mut self, values: &mut [&mut Value]) {
        let Some(which) = self.only else {
            let carried = values.iter().map(|value| value.tensor.clone()).collect();
            self.kept.push(Kept { carried, wanted: self.inner.met_trainable });
            return;
        };
        if which == self.met {
            self.gave = values.iter().map(|value| (**value).clone()).collect();
        }
        self.met += 1;
        if which != self.met {
            return;
        }
        let Some(kept) = self.kept.get(which - 1) else { return };
        for (value, tensor) in values.iter_mut().zip(&kept.carried) {
            **value = if kept.wanted {
                self.inner.tape.leaf(tensor.clone())
            } else {
                Value::constant(tensor.clone())
            };
            self.got.push((**value).clone());
        }
    }
}

/// Whether a segment has to be gone back through: whether anything in it or before it is trained.
pub(super) fn is_wanted(kept: &[Kept], segment: usize) -> bool {
    kept.get(segment).is_none_or(|next| next.wanted)
}

/// Stands for what is not computed.
fn nothing() -> Result<Value, ComputeError> {
    Ok(Value::constant(Tensor::new(0f32, &candle_core::Device::Cpu)?))
}

/// Passes a call on where the segment is computed.
macro_rules! where_active {
    ($self:ident, $call:expr) => {
        if $self.is_active() { $call } else { nothing() }
    };
}

impl Operations for Segments<'_> {
    type Tensor = Value;
    type Error = ComputeError;

    fn layer_begins(&mut self, carried: &mut [&mut Value]) -> Result<(), ComputeError> {
        self.carried(carried);
        Ok(())
    }

    fn embed(&mut self, embedding: &Embedding) -> Result<Value, ComputeError> {
        where_active!(self, self.inner.embed(embedding))
    }

    fn linear(&mut self, linear: &Linear, x: &Value) -> Result<Value, ComputeError> {
        where_active!(self, self.inner.linear(linear, x))
    }

    fn norm(&mut self, norm: &Norm, x: &Value) -> Result<Value, ComputeError> {
        where_active!(self, self.inner.norm(norm, x))
    }

    fn attention(&mut self, attention: &Attention, x: &Value) -> Result<Value, ComputeError> {
        where_active!(self, self.inner.attention(attention, x))
    }

    fn activate(&mut self, activation: Activation, x: &Value) -> Result<Value, ComputeError> {
        where_active!(self, self.inner.activate(activation, x))
    }

    fn add(&mut self, a: &Value, b: &Value) -> Result<Value, ComputeError> {
        where_active!(self, self.inner.add(a, b))
    }

    fn multiply(&mut self, a: &Value, b: &Value) -> Result<Value, ComputeError> {
        where_active!(self, self.inner.multiply(a, b))
    }

    fn last_token(&mut self, x: &Value) -> Result<Value, ComputeError> {
        where_active!(self, self.inner.last_token(x))
    }

    fn linear_activate(
        &mut self,
        linear: &Linear,
        activation: Activation,
        x: &Value,
    ) -> Result<Value, ComputeError> {
        where_active!(self, self.inner.linear_activate(linear, activation, x))
    }

    fn linear_add_norm(
        &mut self,
        linear: &Linear,
        x: &Value,
        residual: &Value,
        norm: &Norm,
    ) -> Result<Value, ComputeError> {
        where_active!(self, self.inner.linear_add_norm(linear, x, residual, norm))
    }

    fn gated(
        &mut self,
        linears: [&Linear; 2],
        activation: Activation,
        x: &Value,
    ) -> Result<Value, ComputeError> {
        where_active!(self, self.inner.gated(linears, activation, x))
    }
}

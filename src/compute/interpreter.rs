use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::Tensor;

use super::dropout::Factors;
use super::kernels::activations::Function;
use super::ops::{self, Adapter, Affine, Distances, HeadForm, Lookup, Matrix, Projected, Turns};
use super::parameters::Held;
use super::tape::{Gradients, Tape, Value};
use super::{ComputeError, Dropout, PackedBatch, Parameters, adapter_names};
use crate::architectures::{
    Attention, Disentangled, Embedding, Linear, Norm, NormKind, Operations, Parameter, Rotary,
};
use crate::checkpoint::{Activation, HeadActivation, Pooling};

/// Computes one batch: the interpreter whose values are tensors, [tokens, width].
#[derive(Debug)]
pub struct Interpreter<'a> {
    parameters: &'a Parameters,
    batch: &'a PackedBatch,
    recording: bool,
    dropout: Option<Dropout>,
    pub(super) tape: Tape,
    leaves: BTreeMap<String, Value>,
    places: Arc<[u32]>,
    /// Whether anything that training changes was asked for.
    pub(super) met_trainable: bool,
}

impl<'a> Interpreter<'a> {
    /// One that computes and keeps nothing for a way back.
    #[must_use]
    pub fn new(parameters: &'a Parameters, batch: &'a PackedBatch) -> Self {
        Self {
            parameters,
            batch,
            recording: false,
            dropout: None,
            tape: Tape::by(parameters.engine().steps()),
            leaves: BTreeMap::new(),
            places: batch.places.clone().into(),
            met_trainable: false,
        }
    }

    /// One that records the way back to what is trained.
    pub(super) fn recording(
        parameters: &'a Parameters,
        batch: &'a PackedBatch,
        dropout: Option<Dropout>,
    ) -> Self {
        Self { recording: true, ..Self::training(parameters, batch, dropout) }
    }

    /// One that computes as training does, and keeps nothing.
    pub(super) fn training(
        parameters: &'a Parameters,
        batch: &'a PackedBatch,
        dropout: Option<Dropout>,
    ) -> Self {
        Self { dropout, ..Self::new(parameters, batch) }
    }

    /// Goes back from values with known gradients; gives those of the parameters, and the rest.
    pub(super) fn backward(
        self,
        known: Vec<(Value, Tensor)>,
    ) -> Result<(BTreeMap<String, Tensor>, Gradients), ComputeError> {
        let mut gradients = self.tape.backward(known)?;
        let named = self.leaves.into_iter().filter_map(|(name, leaf)| Some((name, gradients.take(&leaf)?)));
        let named = named.collect();
        Ok((named, gradients))
    }

    /// A matrix or a table, in the numbers that it is kept in.
    fn matrix(&mut self, name: &str) -> Result<Matrix, ComputeError> {
        let (info, held) = self.parameters.find(name)?;
        self.met_trainable |= info.trainable;
        let tensor = match held {
            Held::Full(tensor) => tensor,
            Held::Narrow(_) | Held::NarrowTensors(_) if info.trainable => {
                return Err(ComputeError::Narrow(name.to_owned()));
            }
            Held::Narrow(matrix) => return Ok(Matrix::Narrow(Arc::clone(matrix))),
            Held::NarrowTensors(matrix) => return Ok(Matrix::NarrowTensors(Arc::clone(matrix))),
        };
        if !(self.recording && info.trainable) {
            return Ok(Value::constant(tensor.clone()).into());
        }
        if let Some(leaf) = self.leaves.get(name) {
            return Ok(leaf.clone().into());
        }
        let leaf = self.tape.leaf(tensor.clone());
        self.leaves.insert(name.to_owned(), leaf.clone());
        Ok(leaf.into())
    }

    /// The same in f32, for what is small or never narrow.
    fn named(&mut self, name: &str) -> Result<Value, ComputeError> {
        match self.matrix(name)? {
            Matrix::Full(value) => Ok(value),
            narrow => Ok(Value::constant(narrow.tensor()?)),
        }
    }

    fn parameter(&mut self, parameter: &Parameter) -> Result<Value, ComputeError> {
        self.named(&parameter.name)
    }

    fn affine(&mut self, linear: &Linear, x: &Value) -> Result<Affine, ComputeError> {
        let adapter = match self.parameters.scale(&linear.name) {
            None => None,
            Some(scale) => {
                let [down, up] = adapter_names(&linear.name);
                let kept = self.kept(linear, x)?;
                Some(Adapter { down: self.named(&down)?, up: self.named(&up)?, scale, kept })
            }
        };
        let bias = linear.bias().map(|bias| self.parameter(&bias)).transpose()?;
        let weight = self.matrix(&linear.weight().name)?;
        Ok(Affine { x: x.clone(), weight, bias, adapter, residual: None, function: None })
    }

    /// Which numbers of x the adapter of a map sees in this step.
    fn kept(&self, linear: &Linear, x: &Value) -> Result<Option<Factors>, ComputeError> {
        let shape = [x.tensor.elem_count() / linear.inputs.max(1), linear.inputs];
        let of = |dropout: &Dropout| {
            dropout.in_front_of(&linear.name, (&self.batch.rows, shape), self.parameters.engine())
        };
        self.dropout.as_ref().map(of).transpose()
    }

    /// Each head of the rows normalised and turned, where the layer asks for it.
    fn placed(&mut self, attention: &Attention, which: usize, x: Value) -> Result<Value, ComputeError> {
        let mut x = x;
        if let Some(norms) = attention.head_norms.as_deref() {
            let shape = x.tensor.dims().to_vec();
            let heads = Value { tensor: x.tensor.reshape(((), attention.head_width))?, ..x };
            let normalised = self.norm(&norms[which], &heads)?;
            x = Value { tensor: normalised.tensor.reshape(shape)?, ..normalised };
        }
        match &attention.rotary {
            None => Ok(x),
            Some(rotary) => {
                let turns = self.turns(rotary)?;
                ops::rotate(&mut self.tape, &turns, &x)
            }
        }
    }

    /// Keys and queries of distances, and which of them stands for each distance of the batch.
    fn distances(&mut self, parts: &Disentangled) -> Result<Distances, ComputeError> {
        let mut table = self.parameter(&parts.table)?;
        if let Some(norm) = &parts.norm {
            table = self.norm(norm, &table)?;
        }
        let key = parts.key.as_ref().map(|linear| self.linear(linear, &table)).transpose()?;
        let query = parts.query.as_ref().map(|linear| self.linear(linear, &table)).transpose()?;
        let most = i64::try_from(self.batch.positions()).unwrap_or(i64::MAX);
        let rows = (1 - most..most).map(|distance| parts.row(distance)).collect();
        Ok(Distances { key, query, rows })
    }

    fn turns(&self, rotary: &Rotary) -> Result<Turns, ComputeError> {
        let [cosines, sines] = self.batch.turns(rotary, self.parameters.engine())?;
        Ok(Turns { cosines, sines, places: Arc::clone(&self.places), width: rotary.width })
    }

    /// One vector a text: the states pooled, or those of `last_token` as they are.
    pub(super) fn pool(&mut self, pooling: Pooling, x: &Value) -> Result<Value, ComputeError> {
        ops::pool(&mut self.tape, pooling, &self.batch.rows, x)
    }

    /// One layer of a head.
    pub(super) fn dense(
        &mut self,
        names: &[String; 2],
        activation: HeadActivation,
        x: &Value,
    ) -> Result<Value, ComputeError> {
        let (weight, bias) = (self.matrix(&names[0])?, Some(self.named(&names[1])?));
        let function = match activation {
            HeadActivation::Linear => None,
            HeadActivation::Tanh => Some(Function::Tanh),
            HeadActivation::Gelu | HeadActivation::GeluStandardised { .. } => Some(Function::GeluErf),
        };
        let affine = Affine { x: x.clone(), weight, bias, adapter: None, residual: None, function };
        let y = ops::affine(&mut self.tape, affine)?;
        let HeadActivation::GeluStandardised { epsilon } = activation else { return Ok(y) };
        let width = y.tensor.dim(1)?;
        let ones = self.parameters.engine().tensor(vec![1.0; width], &[width])?;
        let weights = [Some(Value::constant(ones)), None];
        ops::normalise(&mut self.tape, (NormKind::LayerWithoutBias, epsilon), &y, weights)
    }

    /// `cap tanh(x / cap)`.
    pub(super) fn cap(&mut self, cap: f32, x: &Value) -> Result<Value, ComputeError> {
        ops::activate(&mut self.tape, Function::Cap(cap), x)
    }
}

fn function(activation: Activation) -> Function {
    match activation {
        Activation::GeluErf => Function::GeluErf,
        Activation::GeluTanh => Function::GeluTanh,
        Activation::Silu => Function::Silu,
    }
}

impl Operations for Interpreter<'_> {
    type Tensor = Value;
    type Error = ComputeError;

    fn embed(&mut self, embedding: &Embedding) -> Result<Value, ComputeError> {
        let (ids, scale) = (self.batch.ids.clone(), embedding.scale);
        let mut lookups = vec![Lookup { table: self.matrix(&embedding.tokens.name)?, ids, scale }];
        let others =
            [(&embedding.positions, &self.batch.places), (&embedding.segments, &self.batch.segments)];
        for (table, ids) in others {
            if let Some(table) = table {
                let only_row = table.shape.first() == Some(&1);
                let ids = if only_row { vec![0; ids.len()] } else { ids.clone() };
                lookups.push(Lookup { table: self.matrix(&table.name)?, ids, scale: 1.0 });
            }
        }
        ops::embed(&mut self.tape, lookups)
    }

    fn linear(&mut self, linear: &Linear, x: &Value) -> Result<Value, ComputeError> {
        let affine = self.affine(linear, x)?;
        ops::affine(&mut self.tape, affine)
    }

    fn norm(&mut self, norm: &Norm, x: &Value) -> Result<Value, ComputeError> {
        let weight = Some(self.parameter(&norm.weight())?);
        let bias = norm.bias().map(|bias| self.parameter(&bias)).transpose()?;
        ops::normalise(&mut self.tape, (norm.kind, norm.epsilon), x, [weight, bias])
    }

    fn attention(&mut self, attention: &Attention, x: &Value) -> Result<Value, ComputeError> {
        let query = self.linear(&attention.query, x)?;
        let query = self.placed(attention, 0, query)?;
        let key = self.linear(&attention.key, x)?;
        let key = self.placed(attention, 1, key)?;
        let value = self.linear(&attention.value, x)?;
        let bias = match &attention.relative_bias {
            None => None,
            Some(bias) => {
                let table = self.matrix(&bias.table.name)?;
                Some(ops::distance_bias(&mut self.tape, (bias, table), self.batch.positions())?)
            }
        };
        let form = HeadForm {
            heads: attention.heads,
            key_value_heads: attention.key_value_heads,
            width: attention.head_width,
            scale: attention.scale,
            cap: attention.softcap,
            mask: attention.mask,
        };
        let distances = match attention.disentangled.as_deref() {
            None => None,
            Some(parts) => Some(self.distances(parts)?),
        };
        let projected = Projected { query, key, value, bias, distances };
        ops::attend(&mut self.tape, form, &self.batch.rows, projected)
    }

    fn activate(&mut self, activation: Activation, x: &Value) -> Result<Value, ComputeError> {
        ops::activate(&mut self.tape, function(activation), x)
    }

    fn add(&mut self, a: &Value, b: &Value) -> Result<Value, ComputeError> {
        ops::add(&mut self.tape, a, b)
    }

    fn multiply(&mut self, a: &Value, b: &Value) -> Result<Value, ComputeError> {
        ops::multiply(&mut self.tape, a, b)
    }

    fn last_token(&mut self, x: &Value) -> Result<Value, ComputeError> {
        ops::last_places(&mut self.tape, &self.batch.rows, x)
    }

    fn linear_activate(
        &mut self,
        linear: &Linear,
        activation: Activation,
        x: &Value,
    ) -> Result<Value, ComputeError> {
        let affine = Affine { function: Some(function(activation)), ..self.affine(linear, x)? };
        ops::affine(&mut self.tape, affine)
    }

    fn linear_add_norm(
        &mut self,
        linear: &Linear,
        x: &Value,
        residual: &Value,
        norm: &Norm,
    ) -> Result<Value, ComputeError> {
        let affine = Affine { residual: Some(residual.clone()), ..self.affine(linear, x)? };
        let sum = ops::affine(&mut self.tape, affine)?;
        self.norm(norm, &sum)
    }

    fn gated(
        &mut self,
        [gate, up]: [&Linear; 2],
        activation: Activation,
        x: &Value,
    ) -> Result<Value, ComputeError> {
        let (gate, up) = (self.linear(gate, x)?, self.linear(up, x)?);
        ops::gated(&mut self.tape, function(activation), &gate, &up)
    }
}

use std::collections::HashMap;

use candle_core::{D, Device, Tensor};

use super::{ComputeError, PaddedBatch, attention};
use crate::architectures::{Attention, Embedding, Linear, Norm, NormKind, Operations, Parameter};
use crate::checkpoint::Activation;

/// Computes one batch: the interpreter whose values are tensors, [rows, length, width].
#[derive(Debug)]
pub struct Interpreter<'a> {
    parameters: &'a HashMap<String, Tensor>,
    pub(super) batch: &'a PaddedBatch,
}

impl<'a> Interpreter<'a> {
    /// With the weights by the names of the bare model.
    #[must_use]
    pub fn new(parameters: &'a HashMap<String, Tensor>, batch: &'a PaddedBatch) -> Self {
        Self { parameters, batch }
    }

    pub(super) fn parameter(&self, parameter: &Parameter) -> Result<&'a Tensor, ComputeError> {
        let found = self.parameters.get(&parameter.name);
        found.ok_or_else(|| ComputeError::NotLoaded(parameter.name.clone()))
    }

    /// Rows of a table: [rows, length, width].
    fn rows(&self, table: &Parameter, ids: &[u32]) -> Result<Tensor, ComputeError> {
        let ids = Tensor::new(ids, &Device::Cpu)?;
        let rows = self.parameter(table)?.index_select(&ids, 0)?;
        Ok(rows.reshape((self.batch.rows, self.batch.length, ()))?)
    }
}

impl Operations for Interpreter<'_> {
    type Tensor = Tensor;
    type Error = ComputeError;

    fn embed(&mut self, embedding: &Embedding) -> Result<Tensor, ComputeError> {
        let mut x = (self.rows(&embedding.tokens, &self.batch.ids)? * f64::from(embedding.scale))?;
        if let Some(positions) = &embedding.positions {
            let table = self.parameter(positions)?.narrow(0, 0, self.batch.length)?;
            x = x.broadcast_add(&table)?;
        }
        if let Some(segments) = &embedding.segments {
            x = match segments.shape.first() {
                Some(1) => x.broadcast_add(self.parameter(segments)?)?,
                _ => (x + self.rows(segments, &self.batch.segments)?)?,
            };
        }
        Ok(x)
    }

    fn linear(&mut self, linear: &Linear, x: &Tensor) -> Result<Tensor, ComputeError> {
        // One large product instead of one a row of the batch.
        let flat = x.reshape(((), linear.inputs))?;
        let mut y = flat.matmul(&self.parameter(&linear.weight())?.t()?)?;
        if let Some(bias) = linear.bias() {
            y = y.broadcast_add(self.parameter(&bias)?)?;
        }
        let mut shape = x.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = linear.outputs;
        }
        Ok(y.reshape(shape)?)
    }

    fn norm(&mut self, norm: &Norm, x: &Tensor) -> Result<Tensor, ComputeError> {
        let weight = self.parameter(&norm.weight())?;
        let weight = if norm.kind == NormKind::RootOfOffset { (weight + 1.0)? } else { weight.clone() };
        let centred = match norm.kind {
            NormKind::Layer | NormKind::LayerWithoutBias => x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?,
            NormKind::Root | NormKind::RootOfOffset => x.clone(),
        };
        let spread = (centred.sqr()?.mean_keepdim(D::Minus1)? + f64::from(norm.epsilon))?.sqrt()?;
        let y = centred.broadcast_div(&spread)?.broadcast_mul(&weight)?;
        match norm.bias() {
            Some(bias) => Ok(y.broadcast_add(self.parameter(&bias)?)?),
            None => Ok(y),
        }
    }

    fn attention(&mut self, attention: &Attention, x: &Tensor) -> Result<Tensor, ComputeError> {
        attention::attend(self, attention, x)
    }

    fn activate(&mut self, function: Activation, x: &Tensor) -> Result<Tensor, ComputeError> {
        Ok(match function {
            Activation::GeluErf => x.gelu_erf()?,
            Activation::GeluTanh => x.gelu()?,
            Activation::Silu => x.silu()?,
        })
    }

    fn add(&mut self, a: &Tensor, b: &Tensor) -> Result<Tensor, ComputeError> {
        Ok((a + b)?)
    }

    fn multiply(&mut self, a: &Tensor, b: &Tensor) -> Result<Tensor, ComputeError> {
        Ok((a * b)?)
    }

    fn last_token(&mut self, x: &Tensor) -> Result<Tensor, ComputeError> {
        let places = self.batch.last_places();
        let rows = places.into_iter().enumerate().map(|(row, place)| x.get(row)?.get(place));
        let rows = rows.collect::<Result<Vec<Tensor>, candle_core::Error>>()?;
        Ok(Tensor::stack(&rows, 0)?)
    }
}

//! What each operation of an architecture becomes in a graph.

use super::builder::{MICROSOFT, Value, types};
use super::norms::{self, Sum};
use super::writer::{Writer, names};
use super::{GraphError, attention, embedding, encoder};
use crate::architectures::{Attention, Embedding, Linear, Norm, Operations};
use crate::checkpoint::Activation;

impl Writer<'_> {
    /// Two values element by element, in the wider of their types.
    fn joined(&mut self, operator: &str, [a, b]: [&str; 2]) -> String {
        let element = self.precision.widest(&[a, b]);
        let [a, b] = [a, b].map(|value| self.cast(value, element));
        self.typed_node(element, ("", operator), &[&a, &b], &[])
    }
}

impl Operations for Writer<'_> {
    type Tensor = String;
    type Error = GraphError;

    fn embed(&mut self, embedding: &Embedding) -> Result<String, GraphError> {
        let x = embedding::embed(self, embedding)?;
        self.watch_sum(&x);
        Ok(x)
    }

    fn linear(&mut self, linear: &Linear, x: &String) -> Result<String, GraphError> {
        let y = self.product(linear, x)?;
        let bias = self.bias(linear, &y)?;
        if bias.is_empty() {
            return Ok(y);
        }
        let element = self.precision.of_value(&y);
        let y = self.typed_node(element, ("", "Add"), &[&y, &bias], &[]);
        self.watch_linear(linear, &[&y]);
        Ok(y)
    }

    fn norm(&mut self, norm: &Norm, x: &String) -> Result<String, GraphError> {
        norms::norm(self, norm, x)
    }

    fn attention(&mut self, attention: &Attention, x: &String) -> Result<String, GraphError> {
        if self.is_decoder {
            attention::grouped(self, attention, x)
        } else {
            encoder::attend(self, attention, x)
        }
    }

    fn activate(&mut self, function: Activation, x: &String) -> Result<String, GraphError> {
        let element = self.precision.of_value(x);
        // x sigmoid(alpha x) with alpha 1.
        let alpha = [("alpha", Value::Float(1.0))];
        Ok(match function {
            Activation::GeluErf => self.typed_node(element, (MICROSOFT, "Gelu"), &[x], &[]),
            Activation::GeluTanh => self.typed_node(element, (MICROSOFT, "FastGelu"), &[x], &[]),
            Activation::Silu => self.typed_node(element, (MICROSOFT, "QuickGelu"), &[x], &alpha),
        })
    }

    fn add(&mut self, a: &String, b: &String) -> Result<String, GraphError> {
        let sum = self.joined("Add", [a, b]);
        self.watch_sum(&sum);
        Ok(sum)
    }

    fn multiply(&mut self, a: &String, b: &String) -> Result<String, GraphError> {
        Ok(self.joined("Mul", [a, b]))
    }

    fn last_token(&mut self, x: &String) -> Result<String, GraphError> {
        if !self.is_decoder {
            let layer = "last token".to_owned();
            return Err(GraphError::Unsupported { layer, form: "the last token of an encoder" });
        }
        let to = Value::Int(types::INT64.into());
        let places = self.builder.node(("", "Cast"), &[names::LAST_PLACES], &[("to", to)]);
        let behind = self.builder.integers(&[-1]);
        let places = self.builder.node(("", "Unsqueeze"), &[&places, &behind], &[]);
        let element = self.precision.of_value(x);
        let batched = [("batch_dims", Value::Int(1))];
        Ok(self.typed_node(element, ("", "GatherND"), &[x, &places], &batched))
    }

    fn layer_begins(&mut self, _: &mut [&mut String]) -> Result<(), GraphError> {
        if let Some(sites) = &mut self.sites {
            sites.layer_begins();
        }
        Ok(())
    }

    fn embed_norm(&mut self, embedding: &Embedding, norm: &Norm) -> Result<String, GraphError> {
        embedding::embed_norm(self, embedding, norm)
    }

    fn linear_activate(
        &mut self,
        linear: &Linear,
        function: Activation,
        x: &String,
    ) -> Result<String, GraphError> {
        let y = self.product(linear, x)?;
        let bias = self.bias(linear, &y)?;
        let element = self.precision.of_value(&y);
        match function {
            _ if bias.is_empty() => self.activate(function, &y),
            Activation::GeluErf => Ok(self.typed_node(element, (MICROSOFT, "BiasGelu"), &[&y, &bias], &[])),
            Activation::GeluTanh => Ok(self.typed_node(element, (MICROSOFT, "FastGelu"), &[&y, &bias], &[])),
            Activation::Silu => {
                let y = self.typed_node(element, ("", "Add"), &[&y, &bias], &[]);
                self.activate(function, &y)
            }
        }
    }

    fn linear_add_norm(
        &mut self,
        linear: &Linear,
        x: &String,
        residual: &String,
        norm: &Norm,
    ) -> Result<String, GraphError> {
        let y = self.product(linear, x)?;
        let sum = Sum { terms: [&y, residual], bias_of: Some(linear), is_wanted: self.is_watching() };
        norms::sum_norm(self, norm, &sum).map(|(_, normalised)| normalised)
    }

    fn add_norm(
        &mut self,
        x: &String,
        residual: &String,
        norm: &Norm,
    ) -> Result<(String, String), GraphError> {
        norms::sum_norm(self, norm, &Sum { terms: [x, residual], bias_of: None, is_wanted: true })
    }

    fn gated(
        &mut self,
        [gate, up]: [&Linear; 2],
        function: Activation,
        x: &String,
    ) -> Result<String, GraphError> {
        let gated = self.linear_activate(gate, function, x)?;
        let raised = self.linear(up, x)?;
        let product = self.multiply(&gated, &raised)?;
        // Where the product outgrows a type, one of its factors must be in a wider one.
        self.watch_linear(up, &[&product]);
        Ok(product)
    }
}

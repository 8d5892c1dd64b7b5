use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::builder::{Builder, MICROSOFT, Value, dimension, types};
use super::messages::Size;
use super::stored::Store;
use super::{GraphError, WeightStorage, attention, embedding, encoder};
use crate::architectures::{Attention, Embedding, Linear, Norm, NormKind, Operations, States};
use crate::checkpoint::{Activation, Element, Weights};

/// The names of inputs and outputs.
pub(super) mod names {
    pub(in super::super) const IDS: &str = "input_ids";
    pub(in super::super) const MASK: &str = "attention_mask";
    pub(in super::super) const SEGMENTS: &str = "token_type_ids";
    pub(in super::super) const LAST_PLACES: &str = "seqlens_k";
    pub(in super::super) const LONGEST: &str = "total_sequence_length";
    pub(in super::super) const HIDDEN: &str = "hidden";
}

/// What a graph is to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphForm {
    /// Whether a token sees only what stands before it; it decides the inputs.
    pub is_decoder: bool,
    /// Whether an encoder takes segments.
    pub segments: bool,
    /// The number type that it computes in.
    pub element: Element,
    /// Where its weights lie.
    pub storage: WeightStorage,
}

/// A graph that was written; its numbers are in the folder already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenGraph {
    /// The bytes of `model.onnx`.
    pub bytes: Vec<u8>,
    /// How many nodes it has.
    pub nodes: usize,
    /// The files of the checkpoint that it points into.
    pub in_place: BTreeSet<PathBuf>,
}

/// Writes one graph: the interpreter whose values are the names of nodes.
pub struct Writer<'a> {
    pub(super) builder: Builder,
    pub(super) store: Store<'a>,
    /// Values that several layers use, by what they are.
    pub(super) shared: BTreeMap<String, String>,
    is_decoder: bool,
}

impl<'a> Writer<'a> {
    /// Opens the data file in the folder and declares the inputs.
    ///
    /// # Errors
    /// `GraphError` when the file cannot be made.
    pub fn create(weights: &'a Weights, folder: &Path, form: GraphForm) -> Result<Self, GraphError> {
        let store = Store::create(weights, folder, form.element, form.storage)?;
        let (builder, shared) = (Builder::default(), BTreeMap::new());
        let mut writer = Self { builder, store, shared, is_decoder: form.is_decoder };
        writer.declare_inputs(form.segments);
        Ok(writer)
    }

    /// Makes a value the output `hidden`, in f32, and gives the data file its name.
    ///
    /// # Errors
    /// `GraphError` when the file cannot be written.
    pub fn finish(mut self, hidden: &str, width: usize, states: States) -> Result<WrittenGraph, GraphError> {
        let mut hidden = hidden.to_owned();
        if self.store.element() != Element::F32 {
            let to = Value::Int(types::FLOAT.into());
            hidden = self.builder.node(("", "Cast"), &[&hidden], &[("to", to)]);
        }
        let mut sizes = vec![Size::Named("batch".to_owned())];
        if states == States::All {
            sizes.push(Size::Named("sequence".to_owned()));
        }
        sizes.push(Size::Value(dimension(width)));
        self.builder.output(&hidden, names::HIDDEN, sizes);
        let nodes = self.builder.node_count();
        Ok(WrittenGraph { bytes: self.builder.encode("tiebreak"), nodes, in_place: self.store.commit()? })
    }

    fn declare_inputs(&mut self, segments: bool) {
        let (batch, sequence) = ("batch", "sequence");
        if self.is_decoder {
            self.builder.input(names::IDS, types::INT64, &[batch, sequence]);
            self.builder.input(names::LAST_PLACES, types::INT32, &[batch]);
            self.builder.input(names::LONGEST, types::INT32, &[]);
            return;
        }
        // The fused embedding takes no other type.
        self.builder.input(names::IDS, types::INT32, &[batch, sequence]);
        self.builder.input(names::MASK, types::INT32, &[batch, sequence]);
        if segments {
            self.builder.input(names::SEGMENTS, types::INT32, &[batch, sequence]);
        }
    }

    /// `x W'` alone.
    fn product(&mut self, linear: &Linear, x: &str) -> Result<String, GraphError> {
        let weight = self.store.weight(&mut self.builder, &linear.weight())?;
        let transposed = [("transB", Value::Int(1))];
        Ok(self.builder.node((MICROSOFT, "FusedMatMul"), &[x, &weight], &transposed))
    }

    /// b, or the empty name.
    fn bias(&mut self, linear: &Linear) -> Result<String, GraphError> {
        match linear.bias() {
            Some(bias) => self.store.weight(&mut self.builder, &bias),
            None => Ok(String::new()),
        }
    }

    /// w and, of a layer norm, b; 1 is added where the family stores the distance from it.
    pub(super) fn norm_weights(&mut self, norm: &Norm) -> Result<[String; 2], GraphError> {
        let weight = norm.weight();
        let scale = if norm.kind == NormKind::RootOfOffset {
            self.store.computed(&mut self.builder, (&weight.name, &weight.shape), |store| {
                Ok(store.values(&weight)?.into_iter().map(|value| 1.0 + value).collect())
            })?
        } else {
            self.store.weight(&mut self.builder, &weight)?
        };
        let bias = match norm.bias() {
            Some(bias) => self.store.weight(&mut self.builder, &bias)?,
            None => String::new(),
        };
        Ok([scale, bias])
    }
}

impl Operations for Writer<'_> {
    type Tensor = String;
    type Error = GraphError;

    fn embed(&mut self, embedding: &Embedding) -> Result<String, GraphError> {
        embedding::embed(self, embedding)
    }

    fn linear(&mut self, linear: &Linear, x: &String) -> Result<String, GraphError> {
        let y = self.product(linear, x)?;
        let bias = self.bias(linear)?;
        if bias.is_empty() {
            return Ok(y);
        }
        Ok(self.builder.node(("", "Add"), &[&y, &bias], &[]))
    }

    fn norm(&mut self, norm: &Norm, x: &String) -> Result<String, GraphError> {
        let [scale, bias] = self.norm_weights(norm)?;
        let attributes = [("axis", Value::Int(-1)), ("epsilon", Value::Float(norm.epsilon))];
        Ok(match norm.kind {
            NormKind::LayerWithoutBias => {
                self.builder.node(("", "LayerNormalization"), &[x, &scale], &attributes)
            }
            NormKind::Layer => {
                self.builder.node(("", "LayerNormalization"), &[x, &scale, &bias], &attributes)
            }
            NormKind::Root | NormKind::RootOfOffset => {
                self.builder.node(("", "RMSNormalization"), &[x, &scale], &attributes)
            }
        })
    }

    fn attention(&mut self, attention: &Attention, x: &String) -> Result<String, GraphError> {
        if self.is_decoder {
            attention::grouped(self, attention, x)
        } else {
            encoder::attend(self, attention, x)
        }
    }

    fn activate(&mut self, function: Activation, x: &String) -> Result<String, GraphError> {
        // x sigmoid(alpha x) with alpha 1.
        let alpha = [("alpha", Value::Float(1.0))];
        Ok(match function {
            Activation::GeluErf => self.builder.node((MICROSOFT, "Gelu"), &[x], &[]),
            Activation::GeluTanh => self.builder.node((MICROSOFT, "FastGelu"), &[x], &[]),
            Activation::Silu => self.builder.node((MICROSOFT, "QuickGelu"), &[x], &alpha),
        })
    }

    fn add(&mut self, a: &String, b: &String) -> Result<String, GraphError> {
        Ok(self.builder.node(("", "Add"), &[a, b], &[]))
    }

    fn multiply(&mut self, a: &String, b: &String) -> Result<String, GraphError> {
        Ok(self.builder.node(("", "Mul"), &[a, b], &[]))
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
        Ok(self.builder.node(("", "GatherND"), &[x, &places], &[("batch_dims", Value::Int(1))]))
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
        let bias = self.bias(linear)?;
        match function {
            _ if bias.is_empty() => self.activate(function, &y),
            Activation::GeluErf => Ok(self.builder.node((MICROSOFT, "BiasGelu"), &[&y, &bias], &[])),
            Activation::GeluTanh => Ok(self.builder.node((MICROSOFT, "FastGelu"), &[&y, &bias], &[])),
            Activation::Silu => {
                let y = self.builder.node(("", "Add"), &[&y, &bias], &[]);
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
        if norm.kind != NormKind::Layer {
            let y = self.linear(linear, x)?;
            return self.add_norm(&y, residual, norm).map(|(_, normalised)| normalised);
        }
        let y = self.product(linear, x)?;
        let bias = self.bias(linear)?;
        let [scale, shift] = self.norm_weights(norm)?;
        let mut inputs = vec![y.as_str(), residual, &scale, &shift, &bias];
        inputs.truncate(if bias.is_empty() { 4 } else { 5 });
        let epsilon = [("epsilon", Value::Float(norm.epsilon))];
        Ok(self.builder.node((MICROSOFT, "SkipLayerNormalization"), &inputs, &epsilon))
    }

    fn add_norm(
        &mut self,
        x: &String,
        residual: &String,
        norm: &Norm,
    ) -> Result<(String, String), GraphError> {
        let [scale, shift] = self.norm_weights(norm)?;
        let epsilon = [("epsilon", Value::Float(norm.epsilon))];
        let (operator, inputs) = match norm.kind {
            NormKind::Layer => ("SkipLayerNormalization", vec![x.as_str(), residual, &scale, &shift]),
            NormKind::LayerWithoutBias => ("SkipLayerNormalization", vec![x.as_str(), residual, &scale]),
            NormKind::Root | NormKind::RootOfOffset => {
                ("SkipSimplifiedLayerNormalization", vec![x.as_str(), residual, &scale])
            }
        };
        let wanted = [true, false, false, true];
        let [normalised, _, _, sum] =
            self.builder.node_with((MICROSOFT, operator), &inputs, &epsilon, wanted);
        Ok((sum, normalised))
    }
}

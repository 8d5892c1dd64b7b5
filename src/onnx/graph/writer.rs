use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::builder::{Builder, dimension, types};
use super::messages::Size;
use super::precision::Precision;
use super::sites::{Site, Sites};
use super::stored::{RoundedWeight, Store};
use super::{GraphError, WeightStorage};
use crate::architectures::{Norm, NormKind, Parameter, States};
use crate::checkpoint::{Element, LowBits, Weights};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphForm {
    /// Whether a token sees only what stands before it; it decides the inputs.
    pub is_decoder: bool,
    /// Whether an encoder takes segments.
    pub segments: bool,
    /// The number type that it computes in.
    pub element: Element,
    /// Where its weights lie.
    pub storage: WeightStorage,
    /// How the matrices of its linear maps are rounded, where they are.
    pub low_bits: Option<LowBits>,
    /// What it computes in f32 where its own type is narrower: linear maps by name, and `residual`.
    pub in_f32: BTreeSet<String>,
}

impl Default for GraphForm {
    /// An encoder without segments in f32.
    fn default() -> Self {
        Self {
            is_decoder: false,
            segments: false,
            element: Element::F32,
            storage: WeightStorage::Packed,
            low_bits: None,
            in_f32: BTreeSet::new(),
        }
    }
}

/// A graph that was written; its numbers are in the folder already.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenGraph {
    /// The bytes of `model.onnx`.
    pub bytes: Vec<u8>,
    /// How many nodes it has.
    pub nodes: usize,
    /// The files of the checkpoint that it points into.
    pub in_place: BTreeSet<PathBuf>,
    /// How far each matrix moved that was rounded.
    pub rounded: Vec<RoundedWeight>,
}

/// Writes one graph: the interpreter whose values are the names of nodes.
pub struct Writer<'a> {
    pub(super) builder: Builder,
    pub(super) store: Store<'a>,
    /// Values that several layers use, by what they are.
    pub(super) shared: BTreeMap<String, String>,
    pub(super) precision: Precision,
    pub(super) low_bits: Option<LowBits>,
    pub(super) sites: Option<Sites>,
    pub(super) is_decoder: bool,
}

impl<'a> Writer<'a> {
    /// Opens the data file in the folder and declares the inputs.
    ///
    /// # Errors
    /// `GraphError` when the file cannot be made.
    pub fn create(weights: &'a Weights, folder: &Path, form: GraphForm) -> Result<Self, GraphError> {
        let store = Store::create(weights, folder, form.element, form.storage)?;
        let (builder, shared) = (Builder::default(), BTreeMap::new());
        let precision = Precision::new(form.element, form.in_f32);
        let GraphForm { is_decoder, low_bits, .. } = form;
        let mut writer = Self { builder, store, shared, precision, low_bits, sites: None, is_decoder };
        writer.declare_inputs(form.segments);
        Ok(writer)
    }

    /// From here on the largest numbers of the model are looked at; [`finish_sites`](Self::finish_sites) ends it.
    pub fn watch(&mut self) {
        self.sites = Some(Sites::default());
    }

    /// Makes a value the output `hidden`, in f32, and gives the data file its name.
    ///
    /// # Errors
    /// `GraphError` when the file cannot be written.
    pub fn finish(mut self, hidden: &str, width: usize, states: States) -> Result<WrittenGraph, GraphError> {
        let hidden = self.cast(hidden, Element::F32);
        let mut sizes = vec![Size::Named("batch".to_owned())];
        if states == States::All {
            sizes.push(Size::Named("sequence".to_owned()));
        }
        sizes.push(Size::Value(dimension(width)));
        self.written(&hidden, sizes)
    }

    /// Makes the output `hidden` the largest absolute number of every site, [1, sites], for batches of one text.
    ///
    /// # Errors
    /// `GraphError` when the file cannot be written.
    pub fn finish_sites(mut self) -> Result<(WrittenGraph, Vec<Site>), GraphError> {
        let (largest, sites) = self.sites.take().unwrap_or_default().largest(&mut self.builder);
        let sizes = vec![Size::Named("batch".to_owned()), Size::Value(dimension(sites.len()))];
        Ok((self.written(&largest, sizes)?, sites))
    }

    fn written(mut self, output: &str, sizes: Vec<Size>) -> Result<WrittenGraph, GraphError> {
        self.builder.output(output, names::HIDDEN, sizes);
        let (nodes, rounded) = (self.builder.node_count(), self.store.rounded().to_vec());
        let bytes = self.builder.encode("tiebreak");
        Ok(WrittenGraph { bytes, nodes, in_place: self.store.commit()?, rounded })
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

    /// The number type of the graph.
    pub(super) fn element(&self) -> Element {
        self.precision.element()
    }

    /// A weight in the number type of the graph.
    pub(super) fn weight(&mut self, parameter: &Parameter) -> Result<String, GraphError> {
        let element = self.element();
        self.store.weight(&mut self.builder, parameter, element)
    }

    /// w and, of a layer norm, b; 1 is added where the family stores the distance from it.
    pub(super) fn norm_weights(&mut self, norm: &Norm, element: Element) -> Result<[String; 2], GraphError> {
        let weight = norm.weight();
        let scale = if norm.kind == NormKind::RootOfOffset {
            self.store.computed(&mut self.builder, (&weight.name, &weight.shape, element), |store| {
                Ok(store.values(&weight)?.into_iter().map(|value| 1.0 + value).collect())
            })?
        } else {
            self.store.weight(&mut self.builder, &weight, element)?
        };
        let bias = match norm.bias() {
            Some(bias) => self.store.weight(&mut self.builder, &bias, element)?,
            None => String::new(),
        };
        Ok([scale, bias])
    }
}

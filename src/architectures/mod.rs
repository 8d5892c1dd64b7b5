//! Each model family, written once over [`Operations`]; an interpreter of the trait computes it (`compute`),
//! another writes it as a graph (`onnx::graph`), a third lists its weights ([`needed_weights`]). So the graph that
//! predicts cannot drift from the model that was trained.
//!
//! The inputs (token ids, segments, padding) belong to the interpreter, which knows their form. The methods
//! without a body are the primitives. The others are what kernels exist for as one step: they are defined here by
//! the primitives, and an interpreter overrides those which it has.

mod bert;
mod bert_layers;
mod deberta_v2;
mod disentangled;
mod gemma2;
mod gemma3;
mod inventory;
mod llama;
mod modernbert;
mod parameters;
mod rotary;

pub use disentangled::Disentangled;
pub use inventory::{linear_maps, narrow_form, needed_weights, round_base};
pub use parameters::{
    AdapterSlot, Attention, Embedding, Linear, Mask, Norm, NormKind, Parameter, RelativeBias, Role,
};
pub use rotary::Rotary;

use crate::checkpoint::{Activation, FamilyConfig};

/// What a model is made of. Hidden states are [batch, sequence, width], or [batch, width] behind `last_token`.
pub trait Operations {
    /// A value: numbers, or the name of a node.
    type Tensor: Clone;
    /// What can go wrong.
    type Error;

    /// Rows of the token table, times `scale`, plus rows of the position and segment tables where there are any.
    ///
    /// # Errors
    /// What the interpreter meets.
    fn embed(&mut self, embedding: &Embedding) -> Result<Self::Tensor, Self::Error>;

    /// `x W' + b`, with the adapter that training may have put into its slot.
    ///
    /// # Errors
    /// What the interpreter meets.
    fn linear(&mut self, linear: &Linear, x: &Self::Tensor) -> Result<Self::Tensor, Self::Error>;

    /// Normalises the last dimension.
    ///
    /// # Errors
    /// What the interpreter meets.
    fn norm(&mut self, norm: &Norm, x: &Self::Tensor) -> Result<Self::Tensor, Self::Error>;

    /// Projects x to queries, keys and values, and gives what each token attends to: [batch, sequence,
    /// heads x head width], before the output projection.
    ///
    /// # Errors
    /// What the interpreter meets.
    fn attention(&mut self, attention: &Attention, x: &Self::Tensor) -> Result<Self::Tensor, Self::Error>;

    /// The function, element by element.
    ///
    /// # Errors
    /// What the interpreter meets.
    fn activate(&mut self, function: Activation, x: &Self::Tensor) -> Result<Self::Tensor, Self::Error>;

    /// The sum.
    ///
    /// # Errors
    /// What the interpreter meets.
    fn add(&mut self, a: &Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor, Self::Error>;

    /// The product, element by element.
    ///
    /// # Errors
    /// What the interpreter meets.
    fn multiply(&mut self, a: &Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor, Self::Error>;

    /// The state of the last valid token of each row: [batch, width].
    ///
    /// # Errors
    /// What the interpreter meets.
    fn last_token(&mut self, x: &Self::Tensor) -> Result<Self::Tensor, Self::Error>;

    /// A layer begins, and gets nothing but these values of what was computed before it: an interpreter that computes
    /// layers a second time on the way back, instead of keeping what is inside them, cuts here.
    ///
    /// # Errors
    /// What the interpreter meets.
    fn layer_begins(&mut self, carried: &mut [&mut Self::Tensor]) -> Result<(), Self::Error> {
        let _ = carried;
        Ok(())
    }

    /// The embedding, normalised.
    ///
    /// # Errors
    /// What the interpreter meets.
    fn embed_norm(&mut self, embedding: &Embedding, norm: &Norm) -> Result<Self::Tensor, Self::Error> {
        let x = self.embed(embedding)?;
        self.norm(norm, &x)
    }

    /// `function(linear(x))`.
    ///
    /// # Errors
    /// What the interpreter meets.
    fn linear_activate(
        &mut self,
        linear: &Linear,
        function: Activation,
        x: &Self::Tensor,
    ) -> Result<Self::Tensor, Self::Error> {
        let y = self.linear(linear, x)?;
        self.activate(function, &y)
    }

    /// `norm(linear(x) + residual)`: the end of a layer that normalises behind.
    ///
    /// # Errors
    /// What the interpreter meets.
    fn linear_add_norm(
        &mut self,
        linear: &Linear,
        x: &Self::Tensor,
        residual: &Self::Tensor,
        norm: &Norm,
    ) -> Result<Self::Tensor, Self::Error> {
        let y = self.linear(linear, x)?;
        let sum = self.add(&y, residual)?;
        self.norm(norm, &sum)
    }

    /// `s = x + residual` and `norm(s)`, as a pair: the joint of layers that normalise in front.
    ///
    /// # Errors
    /// What the interpreter meets.
    fn add_norm(
        &mut self,
        x: &Self::Tensor,
        residual: &Self::Tensor,
        norm: &Norm,
    ) -> Result<(Self::Tensor, Self::Tensor), Self::Error> {
        let sum = self.add(x, residual)?;
        let normalised = self.norm(norm, &sum)?;
        Ok((sum, normalised))
    }

    /// `function(gate(x)) * up(x)`: the first half of a gated feed-forward part.
    ///
    /// # Errors
    /// What the interpreter meets.
    fn gated(
        &mut self,
        [gate, up]: [&Linear; 2],
        function: Activation,
        x: &Self::Tensor,
    ) -> Result<Self::Tensor, Self::Error> {
        let gate = self.linear_activate(gate, function, x)?;
        let up = self.linear(up, x)?;
        self.multiply(&gate, &up)
    }
}

/// Which hidden states are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum States {
    /// Of every token.
    All,
    /// Of the last valid token of each row.
    Last,
}

/// Runs the model of this configuration through an interpreter; gives its last hidden states.
///
/// # Errors
/// What the interpreter meets.
pub fn hidden_states<O: Operations>(
    operations: &mut O,
    config: &FamilyConfig,
    states: States,
) -> Result<O::Tensor, O::Error> {
    match config {
        FamilyConfig::Bert(config) => bert::bert(operations, config, states),
        FamilyConfig::Roberta(config) => bert::bert(operations, &config.bert, states),
        FamilyConfig::DebertaV2(config) => deberta_v2::deberta_v2(operations, config, states),
        FamilyConfig::ModernBert(config) => modernbert::modernbert(operations, config, states),
        FamilyConfig::Llama(config) => llama::llama(operations, config, states),
        FamilyConfig::Gemma3(config) => gemma3::gemma3(operations, config, states),
        FamilyConfig::Gemma2(config) => gemma2::gemma2(operations, config, states),
    }
}

use super::{AdapterSlot, Attention, Embedding, Linear, Norm, NormKind, Operations, States};
use crate::checkpoint::Activation;

/// What BERT and its descendants have in common: an embedding that is normalised, and layers that normalise behind each of
/// their halves (Devlin et al. 2019). They differ in what is embedded and in how tokens attend.
pub(super) struct BertLayers {
    /// Width of a hidden state.
    pub(super) width: usize,
    /// Width inside the feed-forward part.
    pub(super) inside: usize,
    /// Layers.
    pub(super) count: usize,
    /// Between the two halves of the feed-forward part.
    pub(super) activation: Activation,
    /// Added to the variance before its root is taken.
    pub(super) epsilon: f32,
}

impl BertLayers {
    /// The hidden states; `attention` is given the beginning of a layer's names.
    pub(super) fn run<O: Operations>(
        &self,
        operations: &mut O,
        embedding: &Embedding,
        attention: impl Fn(&str) -> Attention,
        states: States,
    ) -> Result<O::Tensor, O::Error> {
        let mut x = operations.embed_norm(embedding, &self.norm("embeddings.LayerNorm"))?;
        for index in 0..self.count {
            operations.layer_begins(&mut [&mut x])?;
            let at = |part: &str| format!("encoder.layer.{index}.{part}");
            let [width, inside] = [self.width, self.inside];

            let gathered = operations.attention(&attention(&at("attention.self")), &x)?;
            let output = linear(at("attention.output.dense"), [width, width], AdapterSlot::AttentionOutput);
            let middle_norm = self.norm(&at("attention.output.LayerNorm"));
            let middle = operations.linear_add_norm(&output, &gathered, &x, &middle_norm)?;

            let up = linear(at("intermediate.dense"), [width, inside], AdapterSlot::Up);
            let inner = operations.linear_activate(&up, self.activation, &middle)?;
            let down = linear(at("output.dense"), [inside, width], AdapterSlot::Down);
            x = operations.linear_add_norm(&down, &inner, &middle, &self.norm(&at("output.LayerNorm")))?;
        }
        match states {
            States::All => Ok(x),
            States::Last => operations.last_token(&x),
        }
    }

    /// A normalisation by its name.
    pub(super) fn norm(&self, name: &str) -> Norm {
        Norm { name: name.to_owned(), width: self.width, kind: NormKind::Layer, epsilon: self.epsilon }
    }
}

/// A linear map with a bias, as all of these are.
pub(super) fn linear(name: String, [inputs, outputs]: [usize; 2], slot: AdapterSlot) -> Linear {
    Linear { name, inputs, outputs, has_bias: true, slot }
}

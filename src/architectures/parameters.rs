use serde::{Deserialize, Serialize};

use super::{Disentangled, Rotary};

/// What a parameter is for: training decides by it what is frozen, what decays, and what stays in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A table of rows that are looked up.
    Table,
    /// The matrix of a linear map.
    Matrix,
    /// A bias.
    Bias,
    /// The weight or bias of a normalisation.
    Norm,
}

/// A weight of the checkpoint. Its stored number type is the checkpoint's, the one that is computed in the
/// interpreter's; it is frozen unless a trainer chose its role or put an adapter beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name of the bare model.
    pub name: String,
    /// Rows first.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
}

/// Which linear map of a layer this is, whatever the family calls it: where `LoRA` may be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterSlot {
    /// To queries.
    Query,
    /// To keys.
    Key,
    /// To values.
    Value,
    /// From what the heads gathered.
    AttentionOutput,
    /// To the gate of a gated feed-forward part.
    Gate,
    /// To the inside of the feed-forward part.
    Up,
    /// From there.
    Down,
}

/// A linear map `x W' + b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    /// The name of the module; its weights are `NAME.weight` and `NAME.bias`.
    pub name: String,
    /// Width of x.
    pub inputs: usize,
    /// Width of the result.
    pub outputs: usize,
    /// Whether it has b.
    pub has_bias: bool,
    /// Where it stands.
    pub slot: AdapterSlot,
}

impl Linear {
    /// W: [outputs, inputs].
    #[must_use]
    pub fn weight(&self) -> Parameter {
        let shape = vec![self.outputs, self.inputs];
        Parameter { name: format!("{}.weight", self.name), shape, role: Role::Matrix }
    }

    /// b: \[outputs\], where there is one.
    #[must_use]
    pub fn bias(&self) -> Option<Parameter> {
        let shape = vec![self.outputs];
        self.has_bias.then(|| Parameter { name: format!("{}.bias", self.name), shape, role: Role::Bias })
    }
}

/// The kinds of normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// `(x - mean) / sqrt(variance + epsilon) * w + b`.
    Layer,
    /// The same without b.
    LayerWithoutBias,
    /// `x / sqrt(mean square + epsilon) * w`.
    Root,
    /// The same with 1 + w: Gemma stores how far its weights are from 1.
    RootOfOffset,
}

/// A normalisation of the last dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// The name of the module; its weights are `NAME.weight` and, of a layer norm, `NAME.bias`.
    pub name: String,
    /// Width of x.
    pub width: usize,
    /// The formula.
    pub kind: NormKind,
    /// Keeps the root away from 0.
    pub epsilon: f32,
}

impl Norm {
    /// w: \[width\].
    #[must_use]
    pub fn weight(&self) -> Parameter {
        self.parameter("weight")
    }

    /// b: \[width\], of a layer norm.
    #[must_use]
    pub fn bias(&self) -> Option<Parameter> {
        (self.kind == NormKind::Layer).then(|| self.parameter("bias"))
    }

    fn parameter(&self, which: &str) -> Parameter {
        Parameter { name: format!("{}.{which}", self.name), shape: vec![self.width], role: Role::Norm }
    }
}

/// From token ids to the first hidden states.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// One row a token of the vocabulary.
    pub tokens: Parameter,
    /// One row a position from 0, where positions are learnt.
    pub positions: Option<Parameter>,
    /// One row a segment, where there are segments; a single row is added to every token.
    pub segments: Option<Parameter>,
    /// The token's row is multiplied by it.
    pub scale: f32,
}

impl Embedding {
    /// A table: [rows, width].
    #[must_use]
    pub fn table(name: &str, rows: usize, width: usize) -> Parameter {
        Parameter { name: name.to_owned(), shape: vec![rows, width], role: Role::Table }
    }
}

/// Which tokens a token may look at; padding never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// All of its text.
    Padding,
    /// Itself and what stands before it.
    Causal,
    /// Itself and `window - 1` tokens before it.
    SlidingCausal {
        /// Tokens, itself included.
        window: usize,
    },
    /// Those of its text that are at most so far away, before and behind.
    Surroundings {
        /// Tokens on either side.
        reach: usize,
    },
}

/// A learnt bias of the scores by the distance between two tokens, as T5 and `MPNet` have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelativeBias {
    /// [buckets, heads].
    pub table: Parameter,
    /// Distances from here on share the last bucket.
    pub max_distance: usize,
    /// Whether looking ahead has buckets of its own.
    pub both_directions: bool,
}

impl RelativeBias {
    /// The row of the table for a pair of places (Raffel et al. 2020): one for each distance up to half of the rows,
    /// then they widen with its logarithm.
    #[must_use]
    pub fn bucket(&self, asking: usize, asked: usize) -> usize {
        let all = self.table.shape.first().copied().unwrap_or(1).max(1);
        let ahead = asked > asking;
        let (rows, first) = match (self.both_directions, ahead) {
            (true, true) => (all / 2, all / 2),
            (true, false) => (all / 2, 0),
            (false, true) => return 0,
            (false, false) => (all, 0),
        };
        let (distance, exact) = (asking.abs_diff(asked), rows / 2);
        if distance < exact {
            return first + distance;
        }
        let whole = (self.max_distance as f32 / exact as f32).ln();
        let share = (distance as f32 / exact as f32).ln() / whole * (rows - exact) as f32;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few, and not negative")]
        let beyond = exact + share as usize;
        first + beyond.min(rows.saturating_sub(1))
    }
}

/// An attention layer up to what its heads gathered.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// To queries: `heads x head_width`.
    pub query: Linear,
    /// To keys: `key_value_heads x head_width`.
    pub key: Linear,
    /// To values: `key_value_heads x head_width`.
    pub value: Linear,
    /// Heads that ask.
    pub heads: usize,
    /// Heads that are asked; each serves `heads / key_value_heads` of the former.
    pub key_value_heads: usize,
    /// Width of one head.
    pub head_width: usize,
    /// Scores are multiplied by it.
    pub scale: f32,
    /// Scores s become cap tanh(s / cap), before the mask.
    pub softcap: Option<f32>,
    /// Which tokens are looked at.
    pub mask: Mask,
    /// Rotates queries and keys by their positions.
    pub rotary: Option<Rotary>,
    /// Normalises each head of the queries and of the keys, before they are rotated.
    pub head_norms: Option<Box<[Norm; 2]>>,
    /// Biases the scores by distance.
    pub relative_bias: Option<RelativeBias>,
    /// Lets contents and distances ask each other.
    pub disentangled: Option<Box<Disentangled>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_distances_have_their_own_bucket_and_far_ones_share() {
        let table = Embedding::table("relative_attention_bias.weight", 32, 2);
        let bias = RelativeBias { table, max_distance: 128, both_directions: true };
        let pairs = [(0, 0), (1, 0), (0, 1), (7, 0), (0, 7), (8, 0), (0, 20), (128, 0), (200, 0), (0, 200)];
        let found = pairs.map(|(asking, asked)| bias.bucket(asking, asked));
        // As T5 of transformers 5.24.0 gives them.
        assert_eq!(found, [0, 1, 17, 7, 23, 8, 26, 15, 15, 31]);
    }
}

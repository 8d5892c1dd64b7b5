use serde::{Deserialize, Serialize};
use statrs::function::erf::erf;

/// How the hidden states of a text become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The mean over all tokens.
    Mean,
    /// The state of the first token.
    First,
    /// The state of the last token.
    Last,
}

/// The function behind a layer of a head.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadActivation {
    /// None: the layer is linear.
    Linear,
    /// The hyperbolic tangent.
    Tanh,
    /// x Phi(x), exactly.
    Gelu,
    /// The same, then the outputs of the layer are brought to mean 0 and variance 1; weight and bias of that
    /// normalisation are part of the layer that follows.
    GeluStandardised {
        /// Added to the variance before its root is taken.
        epsilon: f32,
    },
}

/// One layer of a head: `activation(W x + b)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Width of x.
    pub inputs: usize,
    /// W, `outputs` rows of `inputs` numbers.
    pub weight: Vec<f32>,
    /// b, one number an output.
    pub bias: Vec<f32>,
    /// What follows.
    pub activation: HeadActivation,
}

/// What stands behind the graph: pooling and the layers of the classifier.
///
/// It is computed row by row on the valid tokens alone, in a fixed order and in f64, so that a prediction does
/// not depend on the other rows of its batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// How the states become one vector.
    pub pooling: Pooling,
    /// Width of a hidden state.
    pub width: usize,
    /// From the first to the last; the last gives the logits. Without any the pooled state is the result.
    pub layers: Vec<Dense>,
    /// Logits z become cap tanh(z / cap), as language models that cap their vocabulary have it.
    pub softcap: Option<f32>,
}

impl Head {
    /// How many logits come out.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(self.width, |layer| layer.bias.len())
    }

    /// The logits of one text from its hidden states, `length` rows of `width` numbers; what stands behind them
    /// (padding) is not looked at. A decoder's graph that gives the last state alone is a text of length 1.
    #[must_use]
    pub fn logits(&self, hidden: &[f32], length: usize) -> Vec<f32> {
        let mut vector = self.pool(hidden, length);
        for layer in &self.layers {
            vector = layer.apply(&vector);
        }
        if let Some(cap) = self.softcap.map(f64::from) {
            for logit in &mut vector {
                *logit = cap * (*logit / cap).tanh();
            }
        }
        vector.into_iter().map(narrow).collect()
    }

    /// The pooled state, `width` numbers.
    #[must_use]
    pub fn pool(&self, hidden: &[f32], length: usize) -> Vec<f64> {
        let mut rows = hidden.chunks_exact(self.width.max(1)).take(length);
        let wide = |row: &[f32]| row.iter().map(|&value| f64::from(value)).collect();
        match self.pooling {
            Pooling::First => rows.next().map(wide).unwrap_or_default(),
            Pooling::Last => rows.next_back().map(wide).unwrap_or_default(),
            Pooling::Mean => {
                let count = rows.len() as f64;
                let mut sums = vec![0.0; self.width];
                for row in rows {
                    sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
                }
                for sum in &mut sums {
                    *sum /= count;
                }
                sums
            }
        }
    }
}

impl Dense {
    fn apply(&self, vector: &[f64]) -> Vec<f64> {
        let rows = self.weight.chunks_exact(self.inputs.max(1));
        let sums = rows.zip(&self.bias).map(|(row, &bias)| f64::from(bias) + dot(row, vector));
        match self.activation {
            HeadActivation::Linear => sums.collect(),
            HeadActivation::Tanh => sums.map(f64::tanh).collect(),
            HeadActivation::Gelu => sums.map(gelu).collect(),
            HeadActivation::GeluStandardised { epsilon } => {
                standardised(sums.map(gelu).collect(), f64::from(epsilon))
            }
        }
    }
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2))
}

fn standardised(mut values: Vec<f64>, epsilon: f64) -> Vec<f64> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    values.iter_mut().for_each(|value| *value -= mean);
    let variance = values.iter().map(|value| value * value).sum::<f64>() / count;
    let spread = (variance + epsilon).sqrt();
    values.iter_mut().for_each(|value| *value /= spread);
    values
}

/// Eight partial sums that are added in order: fast, and the same on every machine.
fn dot(row: &[f32], vector: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (row_chunks, row_rest) = row.as_chunks::<LANES>();
    let (chunks, rest) = vector.as_chunks::<LANES>();
    for (weights, values) in row_chunks.iter().zip(chunks) {
        for lane in 0..LANES {
            sums[lane] += f64::from(weights[lane]) * values[lane];
        }
    }
    let tail: f64 = row_rest.iter().zip(rest).map(|(&weight, value)| f64::from(weight) * value).sum();
    sums.iter().sum::<f64>() + tail
}

#[expect(clippy::cast_possible_truncation, reason = "logits leave as f32, as graphs give them")]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(pooling: Pooling) -> Head {
        Head { pooling, width: 2, layers: vec![], softcap: None }
    }

    #[test]
    fn pooling_sees_valid_tokens_only() {
        let hidden = [1.0, 2.0, 3.0, 6.0, 99.0, 99.0];
        assert_eq!(head(Pooling::Mean).logits(&hidden, 2), [2.0, 4.0]);
        assert_eq!(head(Pooling::First).logits(&hidden, 2), [1.0, 2.0]);
        assert_eq!(head(Pooling::Last).logits(&hidden, 2), [3.0, 6.0]);
    }

    #[test]
    fn layers_follow_each_other_and_a_cap_bounds_the_logits() {
        let dense = Dense {
            inputs: 2,
            weight: vec![1.0, 0.0, 0.0, 1.0],
            bias: vec![0.0, 0.5],
            activation: HeadActivation::Tanh,
        };
        let last = Dense {
            inputs: 2,
            weight: vec![100.0, 0.0],
            bias: vec![1.0],
            activation: HeadActivation::Linear,
        };
        let mut head = Head { layers: vec![dense, last], ..head(Pooling::First) };
        let expected = 100.0 * 1f64.tanh() + 1.0;
        assert!((f64::from(head.logits(&[1.0, 0.0], 1)[0]) - expected).abs() < 1e-4);
        head.softcap = Some(30.0);
        assert!((head.logits(&[1.0, 0.0], 1)[0] - 29.65).abs() < 0.2);
        assert_eq!(head.outputs(), 1);
    }

    #[test]
    fn a_layer_may_be_followed_by_gelu_and_standardised() {
        let dense =
            |activation| Dense { inputs: 1, weight: vec![1.0, -1.0, 0.5], bias: vec![0.0; 3], activation };
        let found = dense(HeadActivation::Gelu).apply(&[1.0]);
        // torch 2.15.0: F.gelu(torch.tensor([1, -1, .5], dtype=torch.float64))
        let expected = [0.841_344_746_068_542_9, -0.158_655_253_931_457_07, 0.345_731_230_637_006_54];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-10), "{found:?}");
        let found = dense(HeadActivation::GeluStandardised { epsilon: 0.0 }).apply(&[1.0]);
        assert!(found.iter().sum::<f64>().abs() < 1e-12);
        assert!((found.iter().map(|value| value * value).sum::<f64>() - 3.0).abs() < 1e-12);
    }

    #[test]
    fn sums_over_eight_lanes_are_the_plain_sum() {
        let row: Vec<f32> = (0..19).map(|n| n as f32).collect();
        let vector: Vec<f64> = (0..19).map(f64::from).collect();
        assert_eq!(dot(&row, &vector), (0..19).map(|n| f64::from(n * n)).sum::<f64>());
    }
}

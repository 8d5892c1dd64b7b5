use std::sync::Arc;

use candle_core::Tensor;
use rayon::prelude::*;

use super::embedding::{Lookup, embed};
use crate::architectures::{Mask, RelativeBias};
use crate::compute::ComputeError;
use crate::compute::kernels::scores::ScoreForm;
use crate::compute::kernels::vectorised;
use crate::compute::numbers::{Numbers, change, numbers, tensor};
use crate::compute::packed::Row;
use crate::compute::tape::{Tape, Value};

/// The form of an attention layer behind its projections.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct HeadForm {
    /// Heads that ask.
    pub(in super::super) heads: usize,
    /// Heads that are asked.
    pub(in super::super) key_value_heads: usize,
    /// Width of one.
    pub(in super::super) width: usize,
    /// Scores are multiplied by it.
    pub(in super::super) scale: f32,
    /// Scores s become cap tanh(s / cap).
    pub(in super::super) cap: Option<f32>,
    /// What is seen.
    pub(in super::super) mask: Mask,
}

/// Queries, keys and values [tokens, heads x width], and a bias [heads, places, places] where there is one.
#[derive(Clone, Debug)]
pub(in super::super) struct Projected {
    /// Queries.
    pub(in super::super) query: Value,
    /// Keys.
    pub(in super::super) key: Value,
    /// Values.
    pub(in super::super) value: Value,
    /// Added to the scores.
    pub(in super::super) bias: Option<Value>,
}

/// What the heads gather: [tokens, heads x width]. The probabilities are not kept: the way back computes them again
/// from queries and keys, so that memory grows with the tokens and not with the square of a text.
pub(in super::super) fn attend(
    tape: &mut Tape,
    form: HeadForm,
    rows: &Arc<[Row]>,
    projected: Projected,
) -> Result<Value, ComputeError> {
    let tokens = projected.query.tensor.dim(0)?;
    let layer = Layer { form, rows: Arc::clone(rows), projected };
    let gathered = layer.each(|head| Ok([head.forward()?]))?;
    let result = layer.joined(&gathered, 0, form.heads)?;
    let projected = layer.projected.clone();
    let inputs: Vec<&Value> =
        [Some(&projected.query), Some(&projected.key), Some(&projected.value), projected.bias.as_ref()]
            .into_iter()
            .flatten()
            .collect();
    Ok(tape.record(
        &inputs,
        tensor(result, &[tokens, form.heads * form.width])?,
        move |gradient, gradients| {
            let gradient = gradient.reshape((tokens, form.heads * form.width))?;
            let back = layer.each(|head| head.backward(&gradient))?;
            let Projected { query, key, value, bias } = &layer.projected;
            for (part, (to, heads)) in
                [(query, form.heads), (key, form.key_value_heads), (value, form.key_value_heads)]
                    .into_iter()
                    .enumerate()
            {
                if to.node.is_some() {
                    gradients.add(to.node, tensor(layer.joined(&back, part, heads)?, to.tensor.dims())?)?;
                }
            }
            if let Some(bias) = bias.as_ref().filter(|bias| bias.node.is_some()) {
                gradients.add(bias.node, layer.bias_gradient(&back, &bias.tensor)?)?;
            }
            Ok(())
        },
    ))
}

struct Layer {
    form: HeadForm,
    rows: Arc<[Row]>,
    projected: Projected,
}

impl Layer {
    /// Works on every head of every text, in parallel; the results stand text by text, head by head.
    fn each<const N: usize>(
        &self,
        work: impl Fn(&OneHead) -> Result<[Tensor; N], ComputeError> + Sync,
    ) -> Result<Vec<[Tensor; N]>, ComputeError> {
        let stored = &self.projected.bias;
        let places = stored.as_ref().map_or(Ok(0), |bias| bias.tensor.dim(1))?;
        let bias = stored.as_ref().map(|bias| numbers(&bias.tensor)).transpose()?;
        let bias = bias.as_deref().map(|bias| (bias, places));
        let count = self.rows.len() * self.form.heads;
        (0..count)
            .into_par_iter()
            .map(|index| work(&OneHead::new(self, bias, index / self.form.heads, index % self.form.heads)?))
            .collect()
    }

    /// One part of the results beside each other: [tokens, heads x width]; those of the heads that share one that is
    /// asked are added.
    fn joined<const N: usize>(
        &self,
        results: &[[Tensor; N]],
        part: usize,
        heads: usize,
    ) -> Result<Vec<f32>, ComputeError> {
        let width = self.form.width;
        let (row_width, group) = (heads * width, self.form.heads / heads);
        let results: Vec<Numbers> =
            results.iter().map(|parts| numbers(&parts[part])).collect::<Result<_, _>>()?;
        let results: Vec<&[f32]> = results.iter().map(|values| &**values).collect();
        let tokens: usize = self.rows.iter().map(|row| row.length).sum();
        let mut out = vec![0.0f32; tokens * row_width];
        let mut left = &mut out[..];
        let mut texts = Vec::with_capacity(self.rows.len());
        for row in self.rows.iter() {
            let (text, others) = left.split_at_mut(row.length * row_width);
            texts.push(text);
            left = others;
        }
        texts.into_par_iter().zip(results.par_chunks_exact(self.form.heads)).for_each(|(text, results)| {
            for (head, values) in results.iter().enumerate() {
                let at = head / group * width;
                for (out, values) in text.chunks_exact_mut(row_width).zip(values.chunks_exact(width)) {
                    let out = &mut out[at..at + width];
                    if head % group == 0 {
                        out.copy_from_slice(values);
                    } else {
                        out.iter_mut().zip(values).for_each(|(out, value)| *out += value);
                    }
                }
            }
        });
        Ok(out)
    }

    fn bias_gradient(&self, back: &[[Tensor; 4]], bias: &Tensor) -> Result<Tensor, ComputeError> {
        let (heads, places, _) = bias.dims3()?;
        let mut sums = vec![0.0f32; heads * places * places];
        for (row, back) in self.rows.iter().zip(back.chunks_exact(heads)) {
            for (head, back) in back.iter().enumerate() {
                for (asking, from) in numbers(&back[3])?.chunks_exact(row.length).enumerate() {
                    let to = &mut sums[(head * places + asking) * places..][..row.length];
                    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                }
            }
        }
        tensor(sums, bias.dims())
    }
}

/// One head of one text.
struct OneHead<'a> {
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scores: ScoreForm<'a>,
    row: Row,
    columns: [usize; 2],
}

impl<'a> OneHead<'a> {
    fn new(
        layer: &Layer,
        bias: Option<(&'a [f32], usize)>,
        row: usize,
        head: usize,
    ) -> Result<Self, ComputeError> {
        let (form, row) = (layer.form, layer.rows[row]);
        let asked = head / (form.heads / form.key_value_heads);
        let view = |x: &Value, head: usize| {
            x.tensor.narrow(0, row.start, row.length)?.narrow(1, head * form.width, form.width)
        };
        let scores = ScoreForm {
            scale: form.scale,
            cap: form.cap,
            bias: bias.map(|(bias, places)| (&bias[head * places * places..][..places * places], places)),
            mask: form.mask,
            valid: row.valid,
            length: row.length,
        };
        Ok(Self {
            query: view(&layer.projected.query, head)?,
            key: view(&layer.projected.key, asked)?,
            value: view(&layer.projected.value, asked)?,
            scores,
            row,
            columns: [head * form.width, form.width],
        })
    }

    fn forward(&self) -> Result<Tensor, ComputeError> {
        let scores = self.query.matmul(&self.key.t()?)?;
        change(&scores, |scores| vectorised(|| self.scores.probabilities(scores, None)))?;
        Ok(scores.matmul(&self.value)?)
    }

    /// The gradients of queries, keys, values and biased scores.
    fn backward(&self, gradient: &Tensor) -> Result<[Tensor; 4], ComputeError> {
        let [column, width] = self.columns;
        let gradient = gradient.narrow(0, self.row.start, self.row.length)?.narrow(1, column, width)?;
        let scores = self.query.matmul(&self.key.t()?)?;
        let mut slopes = self.scores.cap.map(|_| vec![0.0; self.row.length * self.row.length]);
        change(&scores, |scores| {
            vectorised(|| self.scores.probabilities(scores, slopes.as_deref_mut()));
        })?;
        let value = scores.t()?.matmul(&gradient)?;
        let back = gradient.matmul(&self.value.t()?)?;
        let probabilities = numbers(&scores)?;
        change(&back, |back| vectorised(|| self.scores.back(back, &probabilities)))?;
        let biased = if self.scores.bias.is_some() { back.copy()? } else { back.clone() };
        let scale = self.scores.scale;
        change(&back, |back| match &slopes {
            None => back.iter_mut().for_each(|value| *value *= scale),
            Some(slopes) => back.iter_mut().zip(slopes).for_each(|(value, slope)| *value *= scale * slope),
        })?;
        Ok([back.matmul(&self.key)?, back.t()?.matmul(&self.query)?, value, biased])
    }
}

/// The learnt bias of each pair of places: [heads, places, places].
pub(in super::super) fn distance_bias(
    tape: &mut Tape,
    (bias, table): (&RelativeBias, Value),
    places: usize,
) -> Result<Value, ComputeError> {
    let pairs = (0..places).flat_map(|asking| (0..places).map(move |asked| (asking, asked)));
    let ids =
        pairs.map(|(asking, asked)| u32::try_from(bias.bucket(asking, asked))).collect::<Result<_, _>>();
    let ids: Vec<u32> = ids.map_err(|error| ComputeError::Batch(error.to_string()))?;
    let rows = embed(tape, vec![Lookup { table, ids, scale: 1.0 }])?;
    let heads = rows.tensor.dim(1)?;
    let turned = rows.tensor.t()?.contiguous()?.reshape((heads, places, places))?;
    let node = rows.node;
    Ok(tape.record(&[&rows], turned, move |gradient, gradients| {
        gradients.add(node, gradient.reshape((heads, places * places))?.t()?.contiguous()?)
    }))
}

#[cfg(test)]
mod tests {
    use super::super::check::worst;
    use super::*;

    fn rows() -> Arc<[Row]> {
        [Row { start: 0, length: 5, valid: [0, 5] }, Row { start: 5, length: 4, valid: [1, 4] }].into()
    }

    fn form(mask: Mask, cap: Option<f32>) -> HeadForm {
        HeadForm { heads: 4, key_value_heads: 2, width: 3, scale: 0.8, cap, mask }
    }

    #[test]
    fn the_way_back_is_the_slope_with_every_mask_with_caps_and_grouped_heads() {
        for mask in [Mask::Padding, Mask::Causal, Mask::SlidingCausal { window: 2 }] {
            for cap in [None, Some(0.9)] {
                let difference = worst(&[&[9, 12], &[9, 6], &[9, 6]], |tape, values| {
                    let [query, key, value] = [0, 1, 2].map(|index| values[index].clone());
                    attend(tape, form(mask, cap), &rows(), Projected { query, key, value, bias: None })
                });
                assert!(difference < 2e-3, "{mask:?} {cap:?} {difference:e}");
            }
        }
    }

    #[test]
    fn the_bias_of_distances_is_learnt_too() {
        let table = crate::architectures::Embedding::table("distances", 6, 4);
        let bias = RelativeBias { table, max_distance: 4, both_directions: true };
        let difference = worst(&[&[9, 12], &[9, 6], &[9, 6], &[6, 4]], |tape, values| {
            let [query, key, value] = [0, 1, 2].map(|index| values[index].clone());
            let bias = Some(distance_bias(tape, (&bias, values[3].clone()), 5)?);
            attend(tape, form(Mask::Padding, None), &rows(), Projected { query, key, value, bias })
        });
        assert!(difference < 2e-3, "{difference:e}");
    }
}

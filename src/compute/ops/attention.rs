use std::sync::Arc;

use candle_core::Tensor;
use rayon::prelude::*;

use super::one_head::{HeadBack, OneHead};
use super::{Lookup, Matrix, embed};
use crate::architectures::{Mask, RelativeBias};
use crate::compute::ComputeError;
use crate::compute::numbers::{Numbers, numbers, tensor};
use crate::compute::packed::Row;
use crate::compute::tape::{Gradients, Tape, Value};

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
    /// Contents and distances that ask each other.
    pub(in super::super) distances: Option<Distances>,
}

/// Keys and queries of distances: [rows of a table, heads x width].
#[derive(Clone, Debug)]
pub(in super::super) struct Distances {
    /// What contents ask.
    pub(in super::super) key: Option<Value>,
    /// What asks contents.
    pub(in super::super) query: Option<Value>,
    /// The row for each distance, from the farthest ahead to the farthest back.
    pub(in super::super) rows: Arc<[usize]>,
}

impl Projected {
    pub(super) fn distance(&self, which: fn(&Distances) -> &Option<Value>) -> Option<&Value> {
        self.distances.as_ref().and_then(|distances| which(distances).as_ref())
    }

    /// Everything that a gradient may be wanted of.
    pub(super) fn inputs(&self) -> Vec<Value> {
        let Self { query, key, value, bias, .. } = self;
        let of_distances = [self.distance(|all| &all.key), self.distance(|all| &all.query)];
        let optional = [bias.as_ref()].into_iter().chain(of_distances);
        [query, key, value].into_iter().chain(optional.flatten()).cloned().collect()
    }
}

/// What the heads gather: [tokens, heads x width]. The probabilities are not kept: the way back computes them again
/// from queries and keys, so that memory grows with the tokens and not with the square of a text.
pub(super) fn attend(
    tape: &mut Tape,
    form: HeadForm,
    rows: &Arc<[Row]>,
    projected: Projected,
) -> Result<Value, ComputeError> {
    let tokens = projected.query.tensor.dim(0)?;
    let layer = Layer { form, rows: Arc::clone(rows), projected };
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of heads of one lifetime")]
    let gathered = layer.each(|head| head.forward())?;
    let gathered: Vec<&Tensor> = gathered.iter().collect();
    let result = tensor(layer.joined(&gathered, form.heads)?, &[tokens, form.heads * form.width])?;
    let inputs = layer.projected.inputs();
    let inputs: Vec<&Value> = inputs.iter().collect();
    Ok(tape.record(&inputs, result, move |gradient, gradients| {
        let gradient = gradient.reshape((tokens, form.heads * form.width))?;
        let back = layer.each(|head| head.backward(&gradient))?;
        layer.add_gradients(&back, gradients)
    }))
}

struct Layer {
    form: HeadForm,
    rows: Arc<[Row]>,
    projected: Projected,
}

impl Layer {
    /// Works on every head of every text, in parallel; the results stand text by text, head by head.
    fn each<R: Send>(
        &self,
        work: impl Fn(&OneHead) -> Result<R, ComputeError> + Sync,
    ) -> Result<Vec<R>, ComputeError> {
        let stored = &self.projected.bias;
        let places = stored.as_ref().map_or(Ok(0), |bias| bias.tensor.dim(1))?;
        let bias = stored.as_ref().map(|bias| numbers(&bias.tensor)).transpose()?;
        let bias = bias.as_deref().map(|bias| (bias, places));
        let count = self.rows.len() * self.form.heads;
        (0..count)
            .into_par_iter()
            .map(|index| {
                work(&OneHead::new(
                    (self.form, &self.projected),
                    bias,
                    self.rows[index / self.form.heads],
                    index % self.form.heads,
                )?)
            })
            .collect()
    }

    fn add_gradients(&self, back: &[HeadBack], gradients: &mut Gradients) -> Result<(), ComputeError> {
        let form = self.form;
        let Projected { query, key, value, bias, .. } = &self.projected;
        let part = |which: fn(&HeadBack) -> &Tensor| back.iter().map(which).collect::<Vec<&Tensor>>();
        let parts = [
            (query, form.heads, part(|back| &back.query)),
            (key, form.key_value_heads, part(|back| &back.key)),
            (value, form.key_value_heads, part(|back| &back.value)),
        ];
        for (to, heads, results) in parts {
            if to.node.is_some() {
                gradients.add(to.node, tensor(self.joined(&results, heads)?, to.tensor.dims())?)?;
            }
        }
        if let Some(bias) = bias.as_ref().filter(|bias| bias.node.is_some()) {
            gradients.add(bias.node, self.bias_gradient(back, &bias.tensor)?)?;
        }
        let keys = (self.projected.distance(|all| &all.key), 0);
        for (to, which) in [keys, (self.projected.distance(|all| &all.query), 1)] {
            if let Some(to) = to.filter(|to| to.node.is_some()) {
                gradients.add(to.node, self.distance_gradient(back, which, &to.tensor)?)?;
            }
        }
        Ok(())
    }

    /// The results beside each other: [tokens, heads x width]; those of the heads that share one that is asked are
    /// added.
    fn joined(&self, results: &[&Tensor], heads: usize) -> Result<Vec<f32>, ComputeError> {
        let width = self.form.width;
        let (row_width, group) = (heads * width, self.form.heads / heads);
        let results: Vec<Numbers> = results.iter().map(|part| numbers(part)).collect::<Result<_, _>>()?;
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

    fn bias_gradient(&self, back: &[HeadBack], bias: &Tensor) -> Result<Tensor, ComputeError> {
        let (heads, places, _) = bias.dims3()?;
        let mut sums = vec![0.0f32; heads * places * places];
        for (row, back) in self.rows.iter().zip(back.chunks_exact(heads)) {
            for (head, back) in back.iter().enumerate() {
                for (asking, from) in back.biased.chunks_exact(row.length).enumerate() {
                    let to = &mut sums[(head * places + asking) * places..][..row.length];
                    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                }
            }
        }
        tensor(sums, bias.dims())
    }

    /// That of the keys (0) or queries (1) of distances, text after text.
    fn distance_gradient(
        &self,
        back: &[HeadBack],
        which: usize,
        to: &Tensor,
    ) -> Result<Tensor, ComputeError> {
        let (width, row_width) = (self.form.width, self.form.heads * self.form.width);
        let mut sums = vec![0.0f32; to.elem_count()];
        for (index, back) in back.iter().enumerate() {
            let Some(from) = &back.distances[which] else { continue };
            let column = index % self.form.heads * width;
            for (to, from) in sums.chunks_exact_mut(row_width).zip(numbers(from)?.chunks_exact(width)) {
                to[column..column + width].iter_mut().zip(from).for_each(|(to, from)| *to += from);
            }
        }
        tensor(sums, to.dims())
    }
}

/// The learnt bias of each pair of places: [heads, places, places].
pub(in super::super) fn distance_bias(
    tape: &mut Tape,
    (bias, table): (&RelativeBias, Matrix),
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
    use super::super::attend;
    use super::super::check::worst;
    use super::*;

    fn rows_of_two() -> Arc<[Row]> {
        [Row { start: 0, length: 5, valid: [0, 5] }, Row { start: 5, length: 4, valid: [1, 4] }].into()
    }

    fn form(mask: Mask, cap: Option<f32>) -> HeadForm {
        HeadForm { heads: 4, key_value_heads: 2, width: 3, scale: 0.8, cap, mask }
    }

    #[test]
    fn the_way_back_is_the_slope_with_every_mask_with_caps_and_grouped_heads() {
        let masks =
            [Mask::Padding, Mask::Causal, Mask::SlidingCausal { window: 2 }, Mask::Surroundings { reach: 1 }];
        for mask in masks {
            for cap in [None, Some(0.9)] {
                let difference = worst(&[&[9, 12], &[9, 6], &[9, 6]], |tape, values| {
                    let [query, key, value] = [0, 1, 2].map(|index| values[index].clone());
                    attend(
                        tape,
                        form(mask, cap),
                        &rows_of_two(),
                        Projected { query, key, value, bias: None, distances: None },
                    )
                });
                assert!(difference < 2e-3, "{mask:?} {cap:?} {difference:e}");
            }
        }
    }

    #[test]
    fn nothing_is_computed_for_distances_and_biases_that_are_frozen() {
        let value = |rows: usize, columns: usize, seed| {
            tensor(super::super::check::values(rows * columns, seed), &[rows, columns]).unwrap()
        };
        let mut tape = Tape::default();
        let mut leaf = |seed| tape.leaf(value(9, 12, seed));
        let [query, key, content] = [leaf(0), leaf(1), leaf(2)];
        let rows: Arc<[usize]> = (0..9).map(|distance| distance % 6).collect();
        let frozen = |seed| Some(Value::constant(value(6, 12, seed)));
        let bias = tensor(super::super::check::values(4 * 25, 5), &[4, 5, 5]).unwrap();
        let distances = Distances { key: frozen(3), query: Some(tape.leaf(value(6, 12, 4))), rows };
        let projected = Projected {
            query,
            key,
            value: content,
            bias: Some(Value::constant(bias)),
            distances: Some(distances),
        };
        let form = HeadForm { key_value_heads: 4, ..form(Mask::Padding, None) };
        let layer = Layer { form, rows: rows_of_two(), projected };
        let gradient = value(9, 12, 6);
        for back in layer.each(|head| head.backward(&gradient)).unwrap() {
            assert!(back.biased.is_empty() && back.distances[0].is_none() && back.distances[1].is_some());
        }
    }

    #[test]
    fn the_bias_of_distances_is_learnt_too() {
        let table = crate::architectures::Embedding::table("distances", 6, 4);
        let bias = RelativeBias { table, max_distance: 4, both_directions: true };
        let difference = worst(&[&[9, 12], &[9, 6], &[9, 6], &[6, 4]], |tape, values| {
            let [query, key, value] = [0, 1, 2].map(|index| values[index].clone());
            let bias = Some(distance_bias(tape, (&bias, values[3].clone().into()), 5)?);
            attend(
                tape,
                form(Mask::Padding, None),
                &rows_of_two(),
                Projected { query, key, value, bias, distances: None },
            )
        });
        assert!(difference < 2e-3, "{difference:e}");
    }

    #[test]
    fn contents_and_distances_that_ask_each_other_get_their_gradients() {
        let form = HeadForm { key_value_heads: 4, ..form(Mask::Padding, None) };
        let difference = worst(&[&[9, 12], &[9, 12], &[9, 12], &[6, 12], &[6, 12]], |tape, values| {
            let [query, key, value] = [0, 1, 2].map(|index| values[index].clone());
            let rows =
                (-4i64..=4).map(|distance| usize::try_from(distance.clamp(-3, 2) + 3).unwrap()).collect();
            let distances = Distances { key: Some(values[3].clone()), query: Some(values[4].clone()), rows };
            let projected = Projected { query, key, value, bias: None, distances: Some(distances) };
            attend(tape, form, &rows_of_two(), projected)
        });
        assert!(difference < 2e-3, "{difference:e}");
    }
}

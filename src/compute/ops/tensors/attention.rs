use std::sync::Arc;

use candle_core::Tensor;

use super::super::{HeadForm, Projected};
use super::groups::{Group, MOST_SCORES, ranges};
use super::heads::{Heads, HeadsBack};
use crate::compute::ComputeError;
use crate::compute::packed::Row;
use crate::compute::tape::{Gradients, Tape, Value};

/// What the heads gather: [tokens, heads x width]. Texts are padded into rectangles for it, as many at a time as their
/// scores leave memory for.
pub(in super::super) fn attend(
    tape: &mut Tape,
    form: HeadForm,
    rows: &Arc<[Row]>,
    projected: Projected,
) -> Result<Value, ComputeError> {
    attend_in_groups(tape, form, (rows, MOST_SCORES), projected)
}

/// With so many scores in a group.
fn attend_in_groups(
    tape: &mut Tape,
    form: HeadForm,
    (rows, most_scores): (&[Row], usize),
    projected: Projected,
) -> Result<Value, ComputeError> {
    let device = projected.query.tensor.device();
    let groups = ranges(rows, form.heads, most_scores).into_iter();
    let groups: Vec<Group> =
        groups.map(|range| Group::of(&rows[range], form.mask, device)).collect::<Result<_, _>>()?;
    let gathered: Vec<Tensor> = groups
        .iter()
        .map(|group| Heads::new(form, &projected, group)?.forward())
        .collect::<Result<_, _>>()?;
    let result = Tensor::cat(&gathered, 0)?;
    let inputs = projected.inputs();
    let inputs: Vec<&Value> = inputs.iter().collect();
    Ok(tape.record(&inputs, result, move |gradient, gradients| {
        let gradient = gradient.reshape(((), form.heads * form.width))?;
        let mut of_tokens: [Vec<Tensor>; 3] = Default::default();
        for group in &groups {
            let HeadsBack { tokens, biased, distances } =
                Heads::new(form, &projected, group)?.backward(&gradient)?;
            of_tokens.iter_mut().zip(tokens).for_each(|(all, own)| all.push(own));
            add_shared(&projected, (biased, distances), gradients)?;
        }
        let Projected { query, key, value, .. } = &projected;
        for (to, parts) in [query, key, value].into_iter().zip(of_tokens) {
            if to.node.is_some() {
                gradients.add(to.node, Tensor::cat(&parts, 0)?)?;
            }
        }
        Ok(())
    }))
}

/// The gradients of what all texts share.
fn add_shared(
    projected: &Projected,
    (biased, [of_key, of_query]): (Option<Tensor>, [Option<Tensor>; 2]),
    gradients: &mut Gradients,
) -> Result<(), ComputeError> {
    if let (Some(bias), Some(biased)) = (&projected.bias, biased) {
        // The rectangle may be smaller than the longest text of the batch.
        let beyond = bias.tensor.dim(1)? - biased.dim(1)?;
        let whole = biased.pad_with_zeros(1, 0, beyond)?.pad_with_zeros(2, 0, beyond)?;
        gradients.add(bias.node, whole)?;
    }
    let sides =
        [(projected.distance(|all| &all.key), of_key), (projected.distance(|all| &all.query), of_query)];
    for (to, gradient) in sides {
        if let (Some(to), Some(gradient)) = (to, gradient) {
            gradients.add(to.node, gradient)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{difference, values};
    use super::super::super::{Distances, attention};
    use super::*;
    use crate::architectures::Mask;
    use crate::compute::engine::Steps;
    use crate::compute::numbers::{copied, tensor};

    /// Results and gradients, with a bias and distances that all texts share.
    fn computed(
        steps: Steps,
        attend: impl Fn(&mut Tape, HeadForm, &Arc<[Row]>, Projected) -> Result<Value, ComputeError>,
    ) -> Vec<Vec<f32>> {
        let rows: Arc<[Row]> = [
            Row { start: 0, length: 2, valid: [0, 2] },
            Row { start: 2, length: 5, valid: [1, 5] },
            Row { start: 7, length: 3, valid: [0, 3] },
        ]
        .into();
        let form = HeadForm {
            heads: 4,
            key_value_heads: 4,
            width: 3,
            scale: 0.8,
            cap: Some(0.9),
            mask: Mask::Causal,
        };
        let mut tape = Tape::by(steps);
        let shapes: [&[usize]; 6] = [&[10, 12], &[10, 12], &[10, 12], &[4, 5, 5], &[6, 12], &[6, 12]];
        let leaves: Vec<Value> = shapes
            .iter()
            .enumerate()
            .map(|(seed, shape)| tape.leaf(tensor(values(shape.iter().product(), seed), shape).unwrap()))
            .collect();
        let [query, key, value, bias, of_key, of_query] =
            [0, 1, 2, 3, 4, 5].map(|index| leaves[index].clone());
        let distances = Distances {
            key: Some(of_key),
            query: Some(of_query),
            rows: (0..9).map(|distance| distance % 6).collect(),
        };
        let projected = Projected { query, key, value, bias: Some(bias), distances: Some(distances) };
        let result = attend(&mut tape, form, &rows, projected).unwrap();
        let mut all = vec![result.numbers().unwrap()];
        let seed = tensor(values(120, 9), &[10, 12]).unwrap();
        let mut gradients = tape.backward(vec![(result, seed)]).unwrap();
        all.extend(leaves.iter().map(|leaf| copied(&gradients.take(leaf).unwrap()).unwrap()));
        all
    }

    #[test]
    fn texts_in_groups_of_any_size_give_what_the_loops_give() {
        let loops = computed(Steps::Loops, attention::attend);
        for most_scores in [1, 4 * 2 * 25, MOST_SCORES] {
            let tensors = computed(Steps::Tensors, |tape, form, rows, projected| {
                attend_in_groups(tape, form, (rows, most_scores), projected)
            });
            for (one, other) in loops.iter().zip(&tensors) {
                let difference = difference(one, other);
                assert!(difference < 1e-5, "{most_scores}: {difference:e}");
            }
        }
    }
}

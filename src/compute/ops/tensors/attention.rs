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
pub(super) fn attend_in_groups(
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
    let sides = [(projected.distance(|all| &all.key), of_key), (projected.distance(|all| &all.query), of_query)];
    for (to, gradient) in sides {
        if let (Some(to), Some(gradient)) = (to, gradient) {
            gradients.add(to.node, gradient)?;
        }
    }
    Ok(())
}

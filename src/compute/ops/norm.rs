use crate::architectures::NormKind;
use crate::compute::ComputeError;
use crate::compute::kernels::norms::{self, NormForm};
use crate::compute::kernels::sums::column_sums;
use crate::compute::numbers::{numbers, tensor};
use crate::compute::tape::{Tape, Value};

/// Normalises the last dimension of x; the weight and the bias are those of the norm.
pub(super) fn normalise(
    tape: &mut Tape,
    (kind, epsilon): (NormKind, f32),
    x: &Value,
    [weight, bias]: [Option<Value>; 2],
) -> Result<Value, ComputeError> {
    let Some(weight) = weight else { return Ok(x.clone()) };
    let result = {
        let bias = bias.as_ref().map(|bias| numbers(&bias.tensor)).transpose()?;
        let weight = numbers(&weight.tensor)?;
        norms::normalise(&form((kind, epsilon), &weight, bias.as_deref()), &numbers(&x.tensor)?)
    };
    let result = tensor(result, x.tensor.dims())?;
    let inputs: Vec<&Value> = [Some(x), Some(&weight), bias.as_ref()].into_iter().flatten().collect();
    let (x, weight_node) = (x.clone(), weight.node);
    let bias_node = bias.as_ref().and_then(|bias| bias.node);
    let kept = weight.tensor.clone();
    Ok(tape.record(&inputs, result, move |gradient, gradients| {
        let (kept, values, from) = (numbers(&kept)?, numbers(&x.tensor)?, numbers(&gradient)?);
        let (form, width) = (form((kind, epsilon), &kept, None), kept.len());
        if weight_node.is_some() {
            let sums = norms::weight_gradient(&form, &values, &from);
            gradients.add(weight_node, tensor(sums, &[width])?)?;
        }
        if bias_node.is_some() {
            let sums = column_sums(from.len() / width.max(1), width, |row, sums| {
                sums.iter_mut().zip(&from[row * width..]).for_each(|(sum, value)| *sum += value);
            });
            gradients.add(bias_node, tensor(sums, &[width])?)?;
        }
        if x.node.is_some() {
            let back = norms::normalise_back(&form, &values, &from);
            gradients.add(x.node, tensor(back, x.tensor.dims())?)?;
        }
        Ok(())
    }))
}

/// Whether the mean is taken off.
pub(super) fn is_centred(kind: NormKind) -> bool {
    matches!(kind, NormKind::Layer | NormKind::LayerWithoutBias)
}

/// What is added to the weights.
pub(super) fn offset(kind: NormKind) -> f32 {
    if kind == NormKind::RootOfOffset { 1.0 } else { 0.0 }
}

fn form<'a>((kind, epsilon): (NormKind, f32), weight: &'a [f32], bias: Option<&'a [f32]>) -> NormForm<'a> {
    NormForm { centred: is_centred(kind), epsilon, weight, offset: offset(kind), bias }
}

#[cfg(test)]
mod tests {
    use super::super::check::worst;
    use super::super::normalise;
    use super::*;

    #[test]
    fn the_way_back_of_every_kind_is_the_slope() {
        for kind in [NormKind::Root, NormKind::RootOfOffset, NormKind::LayerWithoutBias] {
            let difference = worst(&[&[70, 19], &[19]], |tape, values| {
                normalise(tape, (kind, 1e-5), &values[0], [Some(values[1].clone()), None])
            });
            assert!(difference < 4e-3, "{kind:?} {difference:e}");
        }
        let difference = worst(&[&[70, 19], &[19], &[19]], |tape, values| {
            let weights = [Some(values[1].clone()), Some(values[2].clone())];
            normalise(tape, (NormKind::Layer, 1e-5), &values[0], weights)
        });
        assert!(difference < 4e-3, "{difference:e}");
    }
}

use candle_core::{D, Tensor};

use super::super::norm::{is_centred, offset};
use crate::architectures::NormKind;
use crate::compute::ComputeError;
use crate::compute::tape::{Tape, Value};

/// Normalises the last dimension of x; the weight and the bias are those of the norm.
pub(in super::super) fn normalise(
    tape: &mut Tape,
    (kind, epsilon): (NormKind, f32),
    x: &Value,
    [weight, bias]: [Option<Value>; 2],
) -> Result<Value, ComputeError> {
    let Some(weight) = weight else { return Ok(x.clone()) };
    let shape = x.tensor.dims().to_vec();
    let width = weight.tensor.elem_count();
    let rows = x.tensor.reshape(((), width))?;
    let factors = (&weight.tensor + f64::from(offset(kind)))?;
    let mut result = Statistics::of((kind, epsilon), &rows)?.normalised.broadcast_mul(&factors)?;
    if let Some(bias) = &bias {
        result = result.broadcast_add(&bias.tensor)?;
    }
    let inputs: Vec<&Value> = [Some(x), Some(&weight), bias.as_ref()].into_iter().flatten().collect();
    let nodes = [x.node, weight.node, bias.as_ref().and_then(|bias| bias.node)];
    Ok(tape.record(&inputs, result.reshape(&shape[..])?, move |gradient, gradients| {
        let gradient = gradient.reshape(((), width))?;
        let Statistics { normalised, factor } = Statistics::of((kind, epsilon), &rows)?;
        let [x_node, weight_node, bias_node] = nodes;
        if weight_node.is_some() {
            gradients.add(weight_node, (&gradient * &normalised)?.sum(0)?)?;
        }
        if bias_node.is_some() {
            gradients.add(bias_node, gradient.sum(0)?)?;
        }
        if x_node.is_some() {
            let mut back = gradient.broadcast_mul(&factors)?;
            let along = (&back * &normalised)?.mean_keepdim(D::Minus1)?;
            if is_centred(kind) {
                back = back.broadcast_sub(&back.mean_keepdim(D::Minus1)?)?;
            }
            let back = (back - normalised.broadcast_mul(&along)?)?.broadcast_mul(&factor)?;
            gradients.add(x_node, back.reshape(&shape[..])?)?;
        }
        Ok(())
    }))
}

/// What a row is without weights, and what it was multiplied by: [rows, 1].
struct Statistics {
    normalised: Tensor,
    factor: Tensor,
}

impl Statistics {
    fn of((kind, epsilon): (NormKind, f32), x: &Tensor) -> Result<Self, ComputeError> {
        let x = if is_centred(kind) { x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)? } else { x.clone() };
        let spread = x.sqr()?.mean_keepdim(D::Minus1)?;
        let factor = (spread + f64::from(epsilon))?.sqrt()?.recip()?;
        Ok(Self { normalised: x.broadcast_mul(&factor)?, factor })
    }
}

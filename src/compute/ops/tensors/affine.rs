use candle_core::Tensor;

use super::super::Affine;
use super::elementwise::{slope, value};
use super::products::{mapped, mapped_back, times, times_turned, turned_times};
use crate::compute::ComputeError;
use crate::compute::tape::{Gradients, Tape, Value};

/// `function(x W' + b + adapter + residual)`.
pub(in super::super) fn affine(tape: &mut Tape, affine: Affine) -> Result<Value, ComputeError> {
    let (outputs, inputs) = affine.weight.shape()?;
    let x = affine.x.tensor.reshape(((), inputs))?;
    let mut sum = mapped(&x, &affine.weight)?;
    let mut inner = None;
    if let Some(bias) = &affine.bias {
        sum = sum.broadcast_add(&bias.tensor)?;
    }
    if let Some(adapter) = &affine.adapter {
        let thin = times_turned(&adapter.seen(&x)?, &adapter.down.tensor)?;
        sum = (sum + (times_turned(&thin, &adapter.up.tensor)? * f64::from(adapter.scale))?)?;
        inner = Some(thin);
    }
    if let Some(residual) = &affine.residual {
        sum = (&sum + residual.tensor.reshape(sum.shape())?)?;
    }
    let (result, before) = match affine.function {
        None => (sum, None),
        Some(function) => (value(function, &sum)?, Some(sum)),
    };
    let inputs = affine.inputs();
    let inputs: Vec<&Value> = inputs.iter().collect();
    Ok(tape.record(&inputs, result, move |gradient, gradients| {
        let mut gradient = gradient.reshape(((), outputs))?;
        if let (Some(function), Some(before)) = (affine.function, before) {
            gradient = (gradient * slope(function, &before)?)?;
        }
        back(&affine, (&x, inner.as_ref()), &gradient, gradients)
    }))
}

fn back(
    affine: &Affine,
    (x, inner): (&Tensor, Option<&Tensor>),
    gradient: &Tensor,
    gradients: &mut Gradients,
) -> Result<(), ComputeError> {
    if let Some(residual) = &affine.residual {
        gradients.add(residual.node, gradient.clone())?;
    }
    if affine.weight.node().is_some() {
        gradients.add(affine.weight.node(), turned_times(gradient, x)?)?;
    }
    if let Some(bias) = affine.bias.as_ref().filter(|bias| bias.node.is_some()) {
        gradients.add(bias.node, gradient.sum(0)?)?;
    }
    let mut thin = None;
    if let (Some(adapter), Some(inner)) = (&affine.adapter, inner) {
        let scale = f64::from(adapter.scale);
        let middle = (times(gradient, &adapter.up.tensor)? * scale)?;
        if adapter.up.node.is_some() {
            gradients.add(adapter.up.node, (turned_times(gradient, inner)? * scale)?)?;
        }
        if adapter.down.node.is_some() {
            gradients.add(adapter.down.node, turned_times(&middle, &adapter.seen(x)?)?)?;
        }
        if affine.x.node.is_some() {
            thin = Some(adapter.seen(&times(&middle, &adapter.down.tensor)?)?);
        }
    }
    if affine.x.node.is_none() {
        return Ok(());
    }
    let whole = mapped_back(gradient, &affine.weight)?;
    gradients.add(affine.x.node, if let Some(thin) = thin { (whole + thin)? } else { whole })
}

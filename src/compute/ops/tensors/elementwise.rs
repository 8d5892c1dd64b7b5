use std::f64::consts::{FRAC_1_SQRT_2, TAU};

use candle_core::Tensor;

use crate::compute::ComputeError;
use crate::compute::kernels::activations::Function;
use crate::compute::tape::{Tape, Value};

const ROOT_2_OVER_PI: f64 = std::f64::consts::FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
const CUBIC: f64 = 0.044_715;

/// `function(x)`.
pub(super) fn value(function: Function, x: &Tensor) -> Result<Tensor, ComputeError> {
    Ok(match function {
        Function::GeluErf => (x * normal(x)?)?,
        Function::GeluTanh => ((x * (gelu_tanh(x)? + 1.0)?)? * 0.5)?,
        Function::Silu => (x * sigmoid(x)?)?,
        Function::Tanh => x.tanh()?,
        Function::Cap(cap) => ((x / f64::from(cap))?.tanh()? * f64::from(cap))?,
    })
}

/// `function'(x)`.
pub(super) fn slope(function: Function, x: &Tensor) -> Result<Tensor, ComputeError> {
    Ok(match function {
        Function::GeluErf => {
            let density = ((x.sqr()? * -0.5)?.exp()? * TAU.sqrt().recip())?;
            (normal(x)? + (x * density)?)?
        }
        Function::GeluTanh => {
            let t = gelu_tanh(x)?;
            let inner = ((x.sqr()? * (3.0 * CUBIC * ROOT_2_OVER_PI))? + ROOT_2_OVER_PI)?;
            let far = ((x * one_less_square(&t)?)? * inner)?;
            (((t + 1.0)? + far)? * 0.5)?
        }
        Function::Silu => {
            let s = sigmoid(x)?;
            let rest = (s.neg()? + 1.0)?;
            (&s * ((x * rest)? + 1.0)?)?
        }
        Function::Tanh => one_less_square(&x.tanh()?)?,
        Function::Cap(cap) => one_less_square(&(x / f64::from(cap))?.tanh()?)?,
    })
}

/// `1 - t^2`.
fn one_less_square(t: &Tensor) -> Result<Tensor, ComputeError> {
    Ok((t.sqr()?.neg()? + 1.0)?)
}

/// The normal distribution.
fn normal(x: &Tensor) -> Result<Tensor, ComputeError> {
    Ok((((x * FRAC_1_SQRT_2)?.erf()? + 1.0)? * 0.5)?)
}

/// The tangent in the approximation of GELU.
fn gelu_tanh(x: &Tensor) -> Result<Tensor, ComputeError> {
    Ok((x * ((x.sqr()? * (CUBIC * ROOT_2_OVER_PI))? + ROOT_2_OVER_PI)?)?.tanh()?)
}

fn sigmoid(x: &Tensor) -> Result<Tensor, ComputeError> {
    Ok((x.neg()?.exp()? + 1.0)?.recip()?)
}

/// The product.
pub(in super::super) fn multiply(tape: &mut Tape, a: &Value, b: &Value) -> Result<Value, ComputeError> {
    let result = (&a.tensor * &b.tensor)?;
    let (a_kept, b_kept) = (a.clone(), b.clone());
    Ok(tape.record(&[a, b], result, move |gradient, gradients| {
        for (to, other) in [(&a_kept, &b_kept), (&b_kept, &a_kept)] {
            if to.node.is_some() {
                gradients.add(to.node, (gradient.reshape(other.tensor.shape())? * &other.tensor)?)?;
            }
        }
        Ok(())
    }))
}

/// The function of each number.
pub(in super::super) fn activate(
    tape: &mut Tape,
    function: Function,
    x: &Value,
) -> Result<Value, ComputeError> {
    let (result, kept) = (value(function, &x.tensor)?, x.clone());
    Ok(tape.record(&[x], result, move |gradient, gradients| {
        let gradient = gradient.reshape(kept.tensor.shape())?;
        gradients.add(kept.node, (gradient * slope(function, &kept.tensor)?)?)
    }))
}

/// `function(gate) * up`.
pub(in super::super) fn gated(
    tape: &mut Tape,
    function: Function,
    gate: &Value,
    up: &Value,
) -> Result<Value, ComputeError> {
    let result = (value(function, &gate.tensor)? * &up.tensor)?;
    let (gate_kept, up_kept) = (gate.clone(), up.clone());
    Ok(tape.record(&[gate, up], result, move |gradient, gradients| {
        let gradient = gradient.reshape(gate_kept.tensor.shape())?;
        if gate_kept.node.is_some() {
            let back = ((&gradient * &up_kept.tensor)? * slope(function, &gate_kept.tensor)?)?;
            gradients.add(gate_kept.node, back)?;
        }
        if up_kept.node.is_some() {
            gradients.add(up_kept.node, (gradient * value(function, &gate_kept.tensor)?)?)?;
        }
        Ok(())
    }))
}

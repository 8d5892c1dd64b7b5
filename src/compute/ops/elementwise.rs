use crate::compute::ComputeError;
use crate::compute::kernels::activations::{self, Function, combine};
use crate::compute::numbers::{numbers, tensor};
use crate::compute::tape::{Tape, Value, sum};

/// The sum.
pub(in super::super) fn add(tape: &mut Tape, a: &Value, b: &Value) -> Result<Value, ComputeError> {
    let result = sum(tape.steps(), &a.tensor, &b.tensor)?;
    let nodes = [a.node, b.node];
    Ok(tape.record(&[a, b], result, move |gradient, gradients| {
        nodes.into_iter().try_for_each(|node| gradients.add(node, gradient.clone()))
    }))
}

/// The product.
pub(super) fn multiply(tape: &mut Tape, a: &Value, b: &Value) -> Result<Value, ComputeError> {
    let result = combine([&numbers(&a.tensor)?, &numbers(&b.tensor)?], |[a, b]| a * b);
    let result = tensor(result, a.tensor.dims())?;
    let (a_kept, b_kept) = (a.clone(), b.clone());
    Ok(tape.record(&[a, b], result, move |gradient, gradients| {
        for (to, other) in [(&a_kept, &b_kept), (&b_kept, &a_kept)] {
            if to.node.is_some() {
                let back = combine([&numbers(&gradient)?, &numbers(&other.tensor)?], |[g, b]| g * b);
                gradients.add(to.node, tensor(back, to.tensor.dims())?)?;
            }
        }
        Ok(())
    }))
}

/// The function of each number.
pub(super) fn activate(tape: &mut Tape, function: Function, x: &Value) -> Result<Value, ComputeError> {
    let result = tensor(activations::activate(function, &numbers(&x.tensor)?), x.tensor.dims())?;
    let kept = x.clone();
    Ok(tape.record(&[x], result, move |gradient, gradients| {
        let back = activations::activate_back(function, &numbers(&kept.tensor)?, &numbers(&gradient)?);
        gradients.add(kept.node, tensor(back, kept.tensor.dims())?)
    }))
}

/// `function(gate) * up`.
pub(super) fn gated(
    tape: &mut Tape,
    function: Function,
    gate: &Value,
    up: &Value,
) -> Result<Value, ComputeError> {
    let result = activations::gate(function, &numbers(&gate.tensor)?, &numbers(&up.tensor)?);
    let result = tensor(result, gate.tensor.dims())?;
    let (gate_kept, up_kept) = (gate.clone(), up.clone());
    Ok(tape.record(&[gate, up], result, move |gradient, gradients| {
        let (gate, up, from) = (numbers(&gate_kept.tensor)?, numbers(&up_kept.tensor)?, numbers(&gradient)?);
        if gate_kept.node.is_some() {
            let back = activations::gate_back(function, [&gate, &up, &from]);
            gradients.add(gate_kept.node, tensor(back, gate_kept.tensor.dims())?)?;
        }
        if up_kept.node.is_some() {
            let back = activations::gate(function, &gate, &from);
            gradients.add(up_kept.node, tensor(back, up_kept.tensor.dims())?)?;
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::super::check::worst;
    use super::super::{activate, gated, multiply};
    use super::*;

    #[test]
    fn the_ways_back_are_the_slopes() {
        let two: [&[usize]; 2] = [&[3, 5], &[3, 5]];
        assert!(worst(&two, |tape, values| add(tape, &values[0], &values[1])) < 1e-3);
        assert!(worst(&two, |tape, values| multiply(tape, &values[0], &values[1])) < 1e-3);
        for function in [Function::Silu, Function::GeluErf, Function::GeluTanh, Function::Cap(0.8)] {
            let difference = worst(&two, |tape, values| gated(tape, function, &values[0], &values[1]));
            assert!(difference < 1e-3, "{function:?} {difference:e}");
            let difference = worst(&two[..1], |tape, values| activate(tape, function, &values[0]));
            assert!(difference < 1e-3, "{function:?} {difference:e}");
        }
    }

    #[test]
    fn a_value_that_is_used_twice_gets_both_gradients() {
        assert!(
            worst(&[&[7]], |tape, values| {
                let square = multiply(tape, &values[0], &values[0])?;
                add(tape, &square, &values[0])
            }) < 1e-3
        );
    }
}

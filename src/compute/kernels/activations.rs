//! Functions of single numbers over whole tensors, and their gradients.

#![allow(clippy::inline_always, reason = "a call that is not inlined runs without vector instructions")]

use super::for_rows;
use super::functions::{normal, sigmoid, tanh};

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Function {
    /// x Phi(x).
    GeluErf,
    /// Its approximation by a hyperbolic tangent.
    GeluTanh,
    /// x sigmoid(x).
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// cap tanh(x / cap).
    Cap(f32),
}

/// Numbers that are worked on as one row; a number of vectors.
const PIECE: usize = 1024;
const ROOT_2_OVER_PI: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

/// A function with its slope; each has a type of its own, so that loops over it have no branch.
trait Smooth: Copy + Sync {
    fn value(self, x: f32) -> f32;
    fn slope(self, x: f32) -> f32;
}

#[derive(Clone, Copy)]
struct Erf;

impl Smooth for Erf {
    #[inline(always)]
    fn value(self, x: f32) -> f32 {
        x * normal(x)[0]
    }

    #[inline(always)]
    fn slope(self, x: f32) -> f32 {
        let [whole, density] = normal(x);
        whole + x * density
    }
}

#[derive(Clone, Copy)]
struct TanhGelu;

impl Smooth for TanhGelu {
    #[inline(always)]
    fn value(self, x: f32) -> f32 {
        0.5 * x * (1.0 + tanh(ROOT_2_OVER_PI * (x + CUBIC * x * x * x)))
    }

    #[inline(always)]
    fn slope(self, x: f32) -> f32 {
        let t = tanh(ROOT_2_OVER_PI * (x + CUBIC * x * x * x));
        let inner = ROOT_2_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
        0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner
    }
}

#[derive(Clone, Copy)]
struct Sigmoid;

impl Smooth for Sigmoid {
    #[inline(always)]
    fn value(self, x: f32) -> f32 {
        x * sigmoid(x)
    }

    #[inline(always)]
    fn slope(self, x: f32) -> f32 {
        let s = sigmoid(x);
        s * (1.0 + x * (1.0 - s))
    }
}

/// `cap tanh(x / cap)`.
#[derive(Clone, Copy)]
struct Capped(f32);

impl Smooth for Capped {
    #[inline(always)]
    fn value(self, x: f32) -> f32 {
        self.0 * tanh(x / self.0)
    }

    #[inline(always)]
    fn slope(self, x: f32) -> f32 {
        let t = tanh(x / self.0);
        1.0 - t * t
    }
}

/// Does the work with the type of the function.
macro_rules! with_function {
    ($function:expr, |$smooth:ident| $work:expr) => {
        match $function {
            Function::GeluErf => {
                let $smooth = Erf;
                $work
            }
            Function::GeluTanh => {
                let $smooth = TanhGelu;
                $work
            }
            Function::Silu => {
                let $smooth = Sigmoid;
                $work
            }
            Function::Tanh => {
                let $smooth = Capped(1.0);
                $work
            }
            Function::Cap(cap) => {
                let $smooth = Capped(cap);
                $work
            }
        }
    };
}

/// `function(x)`.
pub(in super::super) fn activate(function: Function, x: &[f32]) -> Vec<f32> {
    with_function!(function, |smooth| combine([x], |[x]| smooth.value(x)))
}

/// `gradient * function'(x)`.
pub(in super::super) fn activate_back(function: Function, x: &[f32], gradient: &[f32]) -> Vec<f32> {
    with_function!(function, |smooth| combine([x, gradient], |[x, g]| g * smooth.slope(x)))
}

/// `gradient * factor * function'(x)`: the way back to the gate.
pub(in super::super) fn gate_back(function: Function, [x, factor, gradient]: [&[f32]; 3]) -> Vec<f32> {
    with_function!(function, |smooth| combine([x, factor, gradient], |[x, f, g]| g * f * smooth.slope(x)))
}

/// `function(x) * factor`.
pub(in super::super) fn gate(function: Function, x: &[f32], factor: &[f32]) -> Vec<f32> {
    with_function!(function, |smooth| combine([x, factor], |[x, f]| smooth.value(x) * f))
}

/// One number from the numbers at its place.
pub(in super::super) fn combine<const N: usize>(
    inputs: [&[f32]; N],
    compute: impl Fn([f32; N]) -> f32 + Sync,
) -> Vec<f32> {
    let mut out = vec![0.0; inputs.first().map_or(0, |input| input.len())];
    let whole = out.len() / PIECE * PIECE;
    let (pieces, rest) = out.split_at_mut(whole);
    for_rows(pieces, PIECE, |index, out| {
        let inputs = inputs.map(|input| &input[index * PIECE..][..PIECE]);
        for place in 0..PIECE {
            out[place] = compute(inputs.map(|input| input[place]));
        }
    });
    for (place, out) in rest.iter_mut().enumerate() {
        *out = compute(inputs.map(|input| input[whole + place]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slope_is_that_of_its_function() {
        let functions =
            [Function::GeluErf, Function::GeluTanh, Function::Silu, Function::Tanh, Function::Cap(3.0)];
        let x: Vec<f32> = (-40..=40).map(|n| n as f32 / 10.0).collect();
        for function in functions {
            let shifted = |by: f32| activate(function, &x.iter().map(|x| x + by).collect::<Vec<f32>>());
            let (above, below) = (shifted(0.01), shifted(-0.01));
            let slopes = activate_back(function, &x, &vec![2.0; x.len()]);
            for ((slope, above), below) in slopes.iter().zip(above).zip(below) {
                assert!((slope - (above - below) / 0.01).abs() < 3e-4, "{function:?}: {slope}");
            }
        }
    }

    #[test]
    fn a_gate_multiplies_and_its_two_ways_back_are_the_product_rule() {
        let (x, factor) = ([0.5, -1.0], [2.0, 3.0]);
        let value = activate(Function::Silu, &x);
        assert_eq!(gate(Function::Silu, &x, &factor), [value[0] * 2.0, value[1] * 3.0]);
        let slope = activate_back(Function::Silu, &x, &[1.0, 1.0]);
        let back = gate_back(Function::Silu, [&x, &factor, &[1.0, 1.0]]);
        assert!(back.iter().zip([slope[0] * 2.0, slope[1] * 3.0]).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}

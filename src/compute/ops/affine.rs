use candle_core::Tensor;

use super::Matrix;
use crate::compute::ComputeError;
use crate::compute::dropout::Factors;
use crate::compute::kernels::activations::{Function, activate, activate_back};
use crate::compute::kernels::for_rows;
use crate::compute::kernels::sums::column_sums;
use crate::compute::numbers::{change, numbers, tensor};
use crate::compute::tape::{Gradients, Tape, Value};

/// A product of two thin matrices beside a linear map (Hu et al. 2021): `scale (x A') B'`.
#[derive(Clone, Debug)]
pub(in super::super) struct Adapter {
    /// A: [rank, inputs].
    pub(in super::super) down: Value,
    /// B: [outputs, rank].
    pub(in super::super) up: Value,
    /// alpha / rank.
    pub(in super::super) scale: f32,
    /// Factors of x in front of A, where a step leaves some out.
    pub(in super::super) kept: Option<Factors>,
}

impl Adapter {
    /// What it sees of x; and what of its gradient x gets.
    pub(super) fn seen(&self, x: &Tensor) -> Result<Tensor, ComputeError> {
        self.kept.as_ref().map_or_else(|| Ok(x.clone()), |kept| kept.of(x))
    }
}

/// `function(x W' + b + adapter + residual)`, all behind W optional.
#[derive(Clone, Debug)]
pub(in super::super) struct Affine {
    /// x: [rows, inputs].
    pub(in super::super) x: Value,
    /// W: [outputs, inputs].
    pub(in super::super) weight: Matrix,
    /// b: \[outputs\].
    pub(in super::super) bias: Option<Value>,
    /// Beside W.
    pub(in super::super) adapter: Option<Adapter>,
    /// [rows, outputs].
    pub(in super::super) residual: Option<Value>,
    /// Behind the sum.
    pub(in super::super) function: Option<Function>,
}

impl Affine {
    /// Everything that a gradient may be wanted of.
    pub(super) fn inputs(&self) -> Vec<Value> {
        let of_adapter = self.adapter.as_ref().map(|adapter| [&adapter.down, &adapter.up]);
        let optional = [self.weight.value(), self.bias.as_ref(), self.residual.as_ref()];
        let all = std::iter::once(&self.x).chain(optional.into_iter().flatten());
        all.chain(of_adapter.into_iter().flatten()).cloned().collect()
    }
}

/// Computes it and records the way back, which takes no gradient of what is frozen.
pub(super) fn affine(tape: &mut Tape, affine: Affine) -> Result<Value, ComputeError> {
    let (outputs, inputs) = affine.weight.shape()?;
    let x = affine.x.tensor.reshape(((), inputs))?;
    let sum = x.matmul(&affine.weight.tensor()?.t()?)?;
    let inner = match &affine.adapter {
        None => None,
        Some(adapter) => Some(adapter.seen(&x)?.matmul(&adapter.down.tensor.t()?)?),
    };
    finish(&affine, &sum, inner.as_ref(), outputs)?;
    let result = match affine.function {
        None => sum.clone(),
        Some(function) => {
            let values = activate(function, &numbers(&sum)?);
            tensor(values, sum.dims())?
        }
    };
    let inputs = affine.inputs();
    let inputs: Vec<&Value> = inputs.iter().collect();
    let before = affine.function.is_some().then_some(sum);
    Ok(tape.record(&inputs, result, move |gradient, gradients| {
        let gradient = gradient.reshape(((), outputs))?;
        let gradient = match (affine.function, &before) {
            (Some(function), Some(before)) => {
                tensor(activate_back(function, &numbers(before)?, &numbers(&gradient)?), before.dims())?
            }
            _ => gradient,
        };
        drop(before);
        Back { affine, x, inner }.go(&gradient, gradients)
    }))
}

/// Adds bias, adapter and residual to the product.
fn finish(affine: &Affine, sum: &Tensor, inner: Option<&Tensor>, outputs: usize) -> Result<(), ComputeError> {
    let bias = affine.bias.as_ref().map(|bias| numbers(&bias.tensor)).transpose()?;
    let residual = affine.residual.as_ref().map(|residual| numbers(&residual.tensor)).transpose()?;
    let thin = match (inner, &affine.adapter) {
        (Some(inner), Some(adapter)) => {
            Some(Thin::new(inner, &adapter.up.tensor.t()?.contiguous()?, adapter.scale)?)
        }
        _ => None,
    };
    if bias.is_none() && residual.is_none() && thin.is_none() {
        return Ok(());
    }
    change(sum, |sum| {
        for_rows(sum, outputs, |row, sum| {
            if let Some(bias) = &bias {
                sum.iter_mut().zip(&**bias).for_each(|(sum, bias)| *sum += bias);
            }
            if let Some(residual) = &residual {
                sum.iter_mut().zip(&residual[row * outputs..]).for_each(|(sum, value)| *sum += value);
            }
            if let Some(thin) = &thin {
                thin.add(row, sum);
            }
        });
    })
}

/// A product of a narrow matrix [rows, rank] and a low one [rank, width], row by row; `matmul` is slow at it.
struct Thin {
    narrow: Vec<f32>,
    low: Vec<f32>,
    rank: usize,
}

impl Thin {
    fn new(narrow: &Tensor, low: &Tensor, scale: f32) -> Result<Self, ComputeError> {
        let low = numbers(low)?.iter().map(|value| value * scale).collect();
        Ok(Self { narrow: numbers(narrow)?.to_vec(), low, rank: narrow.dim(1)? })
    }

    #[allow(clippy::inline_always, reason = "a call that is not inlined runs without vector instructions")]
    #[inline(always)]
    fn add(&self, row: usize, sum: &mut [f32]) {
        let width = sum.len();
        let factors = &self.narrow[row * self.rank..][..self.rank];
        let (quads, rest) = factors.as_chunks::<4>();
        for (index, factors) in quads.iter().enumerate() {
            let low = &self.low[index * 4 * width..][..4 * width];
            let (first, low) = low.split_at(width);
            let (second, low) = low.split_at(width);
            let (third, fourth) = low.split_at(width);
            for ((((sum, a), b), c), d) in sum.iter_mut().zip(first).zip(second).zip(third).zip(fourth) {
                *sum += (a * factors[0] + b * factors[1]) + (c * factors[2] + d * factors[3]);
            }
        }
        for (index, factor) in rest.iter().enumerate() {
            let low = &self.low[(quads.len() * 4 + index) * width..][..width];
            sum.iter_mut().zip(low).for_each(|(sum, value)| *sum += value * factor);
        }
    }
}

struct Back {
    affine: Affine,
    x: Tensor,
    inner: Option<Tensor>,
}

impl Back {
    fn go(self, gradient: &Tensor, gradients: &mut Gradients) -> Result<(), ComputeError> {
        let Self { affine, x, inner } = self;
        if let Some(residual) = &affine.residual {
            gradients.add(residual.node, gradient.clone())?;
        }
        if affine.weight.node().is_some() {
            gradients.add(affine.weight.node(), gradient.t()?.matmul(&x)?)?;
        }
        if let Some(bias) = affine.bias.as_ref().filter(|bias| bias.node.is_some()) {
            let (rows, width) = gradient.dims2()?;
            let values = numbers(gradient)?;
            let sums = column_sums(rows, width, |row, sums| {
                sums.iter_mut().zip(&values[row * width..]).for_each(|(sum, value)| *sum += value);
            });
            drop(values);
            gradients.add(bias.node, tensor(sums, &[width])?)?;
        }
        let mut below = None;
        if let (Some(adapter), Some(inner)) = (&affine.adapter, &inner) {
            let middle = gradient.matmul(&adapter.up.tensor)?;
            let scale = f64::from(adapter.scale);
            if adapter.up.node.is_some() {
                gradients.add(adapter.up.node, (gradient.t()?.matmul(inner)? * scale)?)?;
            }
            if adapter.down.node.is_some() {
                gradients.add(adapter.down.node, (middle.t()?.matmul(&adapter.seen(&x)?)? * scale)?)?;
            }
            below = Some((middle, adapter));
        }
        if affine.x.node.is_some() {
            let back = gradient.matmul(&affine.weight.tensor()?)?;
            if let Some((middle, adapter)) = below.as_ref().filter(|(_, adapter)| adapter.kept.is_some()) {
                let thin = (middle.matmul(&adapter.down.tensor)? * f64::from(adapter.scale))?;
                gradients.add(affine.x.node, adapter.seen(&thin)?)?;
            } else if let Some((middle, adapter)) = &below {
                let thin = Thin::new(middle, &adapter.down.tensor, adapter.scale)?;
                let width = back.dim(1)?;
                change(&back, |back| for_rows(back, width, |row, back| thin.add(row, back)))?;
            }
            gradients.add(affine.x.node, back)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::affine;
    use super::super::check::{narrow, values, worst, worst_of_loops};
    use super::*;
    use crate::checkpoint::BaseNumbers;

    /// [x, W, b, A, B, residual]
    const SHAPES: [&[usize]; 6] = [&[5, 7], &[6, 7], &[6], &[5, 7], &[6, 5], &[5, 6]];

    fn whole(values: &[Value], function: Option<Function>) -> Affine {
        let adapter = Adapter { down: values[3].clone(), up: values[4].clone(), scale: 0.7, kept: None };
        Affine {
            x: values[0].clone(),
            weight: values[1].clone().into(),
            bias: Some(values[2].clone()),
            adapter: Some(adapter),
            residual: Some(values[5].clone()),
            function,
        }
    }

    #[test]
    fn the_way_back_of_every_part_is_the_slope() {
        for function in [None, Some(Function::GeluErf), Some(Function::GeluTanh), Some(Function::Tanh)] {
            let difference = worst(&SHAPES, |tape, values| affine(tape, whole(values, function)));
            assert!(difference < 2e-3, "{function:?} {difference:e}");
        }
    }

    #[test]
    fn the_way_back_of_an_adapter_that_sees_a_part_of_x_is_the_slope() {
        let factors = (0..35).map(|place| if place % 3 == 0 { 0.0 } else { 1.5 }).collect();
        let kept = Factors::Numbers(tensor(factors, SHAPES[0]).unwrap());
        let difference = worst(&SHAPES, |tape, values| {
            let mut whole = whole(values, Some(Function::Tanh));
            if let Some(adapter) = &mut whole.adapter {
                adapter.kept = Some(kept.clone());
            }
            affine(tape, whole)
        });
        assert!(difference < 2e-3, "{difference:e}");
    }

    #[test]
    fn the_way_back_beside_a_narrow_matrix_is_the_slope_and_the_bits_of_the_same_numbers_in_f32() {
        // 40 inputs are a block and a part of one.
        let shapes: [&[usize]; 5] = [&[5, 40], &[6], &[3, 40], &[6, 3], &[5, 6]];
        for base in [BaseNumbers::Bf16, BaseNumbers::Int8, BaseNumbers::Int4] {
            let narrow = narrow(&values(6 * 40, 8), 40, base);
            let full = Matrix::from(Value::constant(narrow.tensor().unwrap()));
            let build = |values: &[Value], weight: &Matrix| {
                let adapter =
                    Adapter { down: values[2].clone(), up: values[3].clone(), scale: 0.7, kept: None };
                Affine {
                    x: values[0].clone(),
                    weight: weight.clone(),
                    bias: Some(values[1].clone()),
                    adapter: Some(adapter),
                    residual: Some(values[4].clone()),
                    function: Some(Function::Tanh),
                }
            };
            let difference = worst_of_loops(&shapes, |tape, values| affine(tape, build(values, &narrow)));
            assert!(difference < 2e-3, "{base:?} {difference:e}");
            let run = |weight: &Matrix| {
                let mut tape = Tape::default();
                let inputs = shapes.iter().zip(0..);
                let leaves: Vec<Value> = inputs
                    .map(|(shape, seed)| {
                        tape.leaf(tensor(values(shape.iter().product(), seed), shape).unwrap())
                    })
                    .collect();
                let result = affine(&mut tape, build(&leaves, weight)).unwrap();
                let (seed, out) = (result.tensor.ones_like().unwrap(), result.numbers().unwrap());
                let mut gradients = tape.backward(vec![(result, seed)]).unwrap();
                let of = |leaf: &Value| numbers(&gradients.take(leaf).unwrap()).unwrap().to_vec();
                (out, leaves.iter().map(of).collect::<Vec<_>>())
            };
            assert!(run(&narrow) == run(&full), "{base:?}");
        }
    }

    #[test]
    fn what_is_frozen_gets_no_gradient_and_x_still_gets_its_own() {
        let mut tape = Tape::default();
        let constants: Vec<Value> = SHAPES
            .iter()
            .map(|shape| Value::constant(tensor(values(shape.iter().product(), 1), shape).unwrap()))
            .collect();
        let x = tape.leaf(constants[0].tensor.clone());
        let frozen = Affine { x: x.clone(), ..whole(&constants, None) };
        let result = affine(&mut tape, frozen).unwrap();
        let seed = result.tensor.ones_like().unwrap();
        let mut gradients = tape.backward(vec![(result, seed)]).unwrap();
        assert!(gradients.take(&x).is_some());
        let mut tape = Tape::default();
        assert_eq!(affine(&mut tape, whole(&constants, None)).unwrap().node, None);
    }
}

//! Gradients against differences, for the tests of every step.

use std::sync::Arc;

use super::Matrix;
use crate::checkpoint::{BaseNumbers, NarrowMatrix};
use crate::compute::ComputeError;
use crate::compute::engine::Steps;
use crate::compute::numbers::{copied, tensor};
use crate::compute::tape::{Tape, Value};

/// Numbers that look random, the same in every run, between -1 and 1.
pub(super) fn values(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|n| (((n + 3) * (seed + 11) * 7919) % 1013) as f32 / 506.0 - 1.0).collect()
}

/// A matrix in narrow numbers.
pub(super) fn narrow(values: &[f32], width: usize, base: BaseNumbers) -> Matrix {
    let matrix = NarrowMatrix::of_values(values, width, base.of_maps().expect("less than f32"));
    Matrix::Narrow(Arc::new(matrix.expect("finite")))
}

/// The largest difference between the gradient of a weighted sum of the results and its central differences, by
/// every number of every input, relative to the largest gradient: of the loops, and of the tensors, whose results and
/// gradients must besides be those of the loops.
pub(super) fn worst(
    shapes: &[&[usize]],
    build: impl Fn(&mut Tape, &[Value]) -> Result<Value, ComputeError>,
) -> f64 {
    let trial = Trial { shapes, build };
    let [loops, tensors] = [Steps::Loops, Steps::Tensors].map(|steps| trial.run(steps, &trial.start()));
    for (one, other) in loops.iter().zip(&tensors) {
        let difference = difference(one, other);
        assert!(difference < 1e-5, "tensors beside loops: {difference:e}");
    }
    trial.worst(Steps::Loops).max(trial.worst(Steps::Tensors))
}

/// That of the loops alone.
pub(super) fn worst_of_loops(
    shapes: &[&[usize]],
    build: impl Fn(&mut Tape, &[Value]) -> Result<Value, ComputeError>,
) -> f64 {
    Trial { shapes, build }.worst(Steps::Loops)
}

/// The largest difference of two lists, relative to the largest number.
pub(super) fn difference(one: &[f32], other: &[f32]) -> f64 {
    assert_eq!(one.len(), other.len());
    let largest = one.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
    let worst = one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    f64::from(worst / largest)
}

/// A step, and the shapes of what it takes.
struct Trial<'a, B> {
    shapes: &'a [&'a [usize]],
    build: B,
}

impl<B: Fn(&mut Tape, &[Value]) -> Result<Value, ComputeError>> Trial<'_, B> {
    fn start(&self) -> Vec<Vec<f32>> {
        self.shapes.iter().enumerate().map(|(seed, shape)| values(shape.iter().product(), seed)).collect()
    }

    fn computed(&self, steps: Steps, inputs: &[Vec<f32>]) -> (Tape, Vec<Value>, Value) {
        let mut tape = Tape::by(steps);
        let leaves: Vec<Value> = inputs
            .iter()
            .zip(self.shapes)
            .map(|(values, shape)| tape.leaf(tensor(values.clone(), shape).unwrap()))
            .collect();
        let result = (self.build)(&mut tape, &leaves).unwrap();
        (tape, leaves, result)
    }

    /// The results, and the gradients of a weighted sum of them by each input.
    fn run(&self, steps: Steps, inputs: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let (tape, leaves, result) = self.computed(steps, inputs);
        let mut all = vec![result.numbers().unwrap()];
        let seed = tensor(weights(&result), result.tensor.dims()).unwrap();
        let mut gradients = tape.backward(vec![(result, seed)]).unwrap();
        let of = |leaf: &Value| copied(&gradients.take(leaf).expect("every input has a gradient")).unwrap();
        all.extend(leaves.iter().map(of));
        all
    }

    fn worst(&self, steps: Steps) -> f64 {
        const STEP: f32 = 1.0 / 128.0;
        let start = self.start();
        let found = &self.run(steps, &start)[1..];
        let sum = |inputs: &[Vec<f32>]| -> f64 {
            let result = self.computed(steps, inputs).2;
            let weights = weights(&result);
            let result = result.numbers().unwrap();
            result.iter().zip(&weights).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        let (mut worst, mut largest) = (0.0f64, 0.0f64);
        for (index, gradient) in found.iter().enumerate() {
            assert_eq!(gradient.len(), start[index].len());
            for (place, &found) in gradient.iter().enumerate() {
                let shifted = |by: f32| {
                    let mut inputs = start.clone();
                    inputs[index][place] += by;
                    sum(&inputs)
                };
                let expected = (shifted(STEP) - shifted(-STEP)) / (2.0 * f64::from(STEP));
                worst = worst.max((expected - f64::from(found)).abs());
                largest = largest.max(expected.abs());
            }
        }
        worst / largest
    }
}

fn weights(result: &Value) -> Vec<f32> {
    values(result.tensor.elem_count(), 77)
}

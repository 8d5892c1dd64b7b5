//! Gradients against differences, for the tests of every step.

use std::sync::Arc;

use super::Matrix;
use crate::checkpoint::{BaseNumbers, NarrowMatrix};
use crate::compute::ComputeError;
use crate::compute::numbers::{numbers, tensor};
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
/// every number of every input, relative to the largest gradient.
pub(super) fn worst(
    shapes: &[&[usize]],
    build: impl Fn(&mut Tape, &[Value]) -> Result<Value, ComputeError>,
) -> f64 {
    const STEP: f32 = 1.0 / 128.0;
    let start: Vec<Vec<f32>> =
        shapes.iter().enumerate().map(|(seed, shape)| values(shape.iter().product(), seed)).collect();
    let run = |inputs: &[Vec<f32>]| {
        let mut tape = Tape::default();
        let leaves: Vec<Value> = inputs
            .iter()
            .zip(shapes)
            .map(|(values, shape)| tape.leaf(tensor(values.clone(), shape).unwrap()))
            .collect();
        let result = build(&mut tape, &leaves).unwrap();
        (tape, leaves, result)
    };
    let (tape, leaves, result) = run(&start);
    let weights = values(result.tensor.elem_count(), 77);
    let seed = tensor(weights.clone(), result.tensor.dims()).unwrap();
    let mut gradients = tape.backward(vec![(result, seed)]).unwrap();
    let sum = |inputs: &[Vec<f32>]| -> f64 {
        let result = run(inputs).2.numbers().unwrap();
        result.iter().zip(&weights).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    let (mut worst, mut largest) = (0.0f64, 0.0f64);
    for (index, leaf) in leaves.iter().enumerate() {
        let gradient = gradients.take(leaf).expect("every input has a gradient");
        let gradient = numbers(&gradient).unwrap().to_vec();
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

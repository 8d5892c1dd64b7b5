//! Sums over long vectors: in fixed chunks that are added in their order, so that the number of
//! threads changes no bit.

use rayon::prelude::*;

const CHUNK: usize = 8_192;

/// The inner product.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    if a.len() <= CHUNK {
        return short_dot(a, b);
    }
    let partial: Vec<f64> =
        a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK)).map(|(a, b)| short_dot(a, b)).collect();
    partial.iter().sum()
}

fn short_dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0_f64; 8];
    let ((a_blocks, a_tail), (b_blocks, b_tail)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum::<f64>()
}

/// `target += factor * other`.
pub(super) fn add_scaled(target: &mut [f64], factor: f64, other: &[f64]) {
    let add = |(target, other): (&mut [f64], &[f64])| {
        for (value, other) in target.iter_mut().zip(other) {
            *value += factor * other;
        }
    };
    if target.len() <= CHUNK {
        add((target, other));
    } else {
        target.par_chunks_mut(CHUNK).zip(other.par_chunks(CHUNK)).for_each(add);
    }
}

/// The largest absolute value; not a number when one entry is.
pub(super) fn largest(values: &[f64]) -> f64 {
    values
        .iter()
        .fold(0.0, |largest: f64, value| if value.is_nan() { f64::NAN } else { largest.max(value.abs()) })
}

//! Normalisation of rows and its gradient.
#![allow(clippy::inline_always, reason = "a call that is not inlined runs without vector instructions")]

use super::for_rows;
use super::sums::{column_sums, sum_of};

/// A normalisation with its numbers: `(x - mean) / sqrt(variance + epsilon) * (w + offset) + b`, or without the mean.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct NormForm<'a> {
    /// Whether the mean is taken off.
    pub(in super::super) centred: bool,
    /// Added to the variance or the mean square.
    pub(in super::super) epsilon: f32,
    /// w, one number a column.
    pub(in super::super) weight: &'a [f32],
    /// Added to w: 1 where the family stores how far its weights are from it.
    pub(in super::super) offset: f32,
    /// b, where there is one.
    pub(in super::super) bias: Option<&'a [f32]>,
}

/// The mean (0 where it stays) and 1 / sqrt(spread + epsilon) of a row.
#[inline(always)]
fn statistics(form: &NormForm, row: &[f32]) -> [f32; 2] {
    let count = row.len() as f32;
    let mean = if form.centred { sum_of(row, row, |x, _| x) / count } else { 0.0 };
    let spread = sum_of(row, row, |x, _| (x - mean) * (x - mean)) / count;
    [mean, 1.0 / (spread + form.epsilon).sqrt()]
}

/// The rows of x, normalised.
pub(in super::super) fn normalise(form: &NormForm, x: &[f32]) -> Vec<f32> {
    let width = form.weight.len();
    let mut out = vec![0.0; x.len()];
    for_rows(&mut out, width, |index, out| {
        let row = &x[index * width..][..width];
        let [mean, factor] = statistics(form, row);
        for ((out, &x), &weight) in out.iter_mut().zip(row).zip(form.weight) {
            *out = (x - mean) * factor * (weight + form.offset);
        }
        if let Some(bias) = form.bias {
            out.iter_mut().zip(bias).for_each(|(out, &bias)| *out += bias);
        }
    });
    out
}

/// The gradient of x from that of the result.
pub(in super::super) fn normalise_back(form: &NormForm, x: &[f32], gradient: &[f32]) -> Vec<f32> {
    let width = form.weight.len();
    let mut out = vec![0.0; x.len()];
    for_rows(&mut out, width, |index, out| {
        let (row, gradient) = (&x[index * width..][..width], &gradient[index * width..][..width]);
        let [mean, factor] = statistics(form, row);
        for ((out, &gradient), &weight) in out.iter_mut().zip(gradient).zip(form.weight) {
            *out = gradient * (weight + form.offset);
        }
        let count = width as f32;
        let shift = if form.centred { sum_of(out, out, |g, _| g) / count } else { 0.0 };
        let along = sum_of(out, row, |g, x| g * (x - mean)) * factor / count;
        for (out, &x) in out.iter_mut().zip(row) {
            *out = (*out - shift - (x - mean) * factor * along) * factor;
        }
    });
    out
}

/// The gradient of w.
pub(in super::super) fn weight_gradient(form: &NormForm, x: &[f32], gradient: &[f32]) -> Vec<f32> {
    let width = form.weight.len();
    column_sums(x.len() / width.max(1), width, |index, sums| {
        let (row, gradient) = (&x[index * width..][..width], &gradient[index * width..][..width]);
        let [mean, factor] = statistics(form, row);
        for ((sum, &gradient), &x) in sums.iter_mut().zip(gradient).zip(row) {
            *sum += gradient * (x - mean) * factor;
        }
    })
}

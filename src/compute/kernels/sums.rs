//! Sums of rows and of columns in a fixed order.
#![allow(clippy::inline_always, reason = "a call that is not inlined runs without vector instructions")]

use rayon::prelude::*;

use super::vectorised;

const LANES: usize = 16;
/// Rows whose sum is one partial result; fixed, so that the order of the sum is too.
const BLOCK: usize = 64;

/// The sum of `term(value of a, value of b)`, by lanes that are added in order.
#[inline(always)]
pub(in super::super) fn sum_of(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0f32; LANES];
    let ((a_chunks, a_rest), (b_chunks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += term(a[lane], b[lane]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(&a, &b)| term(a, b)).sum();
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0] + rest
}

/// The largest of a row; minus infinity of none.
#[inline(always)]
pub(in super::super) fn largest(row: &[f32]) -> f32 {
    let mut most = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            most[lane] = if chunk[lane] > most[lane] { chunk[lane] } else { most[lane] };
        }
    }
    most.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a })
}

/// The sum over rows of what `add` adds to a row of `width` numbers for each of them.
pub(in super::super) fn column_sums(
    rows: usize,
    width: usize,
    add: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let blocks: Vec<Vec<f32>> = (0..rows.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let mut sums = vec![0.0; width];
            vectorised(|| {
                for row in block * BLOCK..rows.min((block + 1) * BLOCK) {
                    add(row, &mut sums);
                }
            });
            sums
        })
        .collect();
    let mut total = vec![0.0; width];
    for block in blocks {
        total.iter_mut().zip(block).for_each(|(total, value)| *total += value);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_count_every_number_once() {
        let values: Vec<f32> = (0..37).map(|n| n as f32).collect();
        assert_eq!(sum_of(&values, &values, |a, _| a), 666.0);
        assert_eq!(largest(&values), 36.0);
        assert_eq!(largest(&[]), f32::NEG_INFINITY);
        let sums = column_sums(130, 2, |row, sums| {
            sums[0] += row as f32;
            sums[1] += 1.0;
        });
        assert_eq!(sums, [8385.0, 130.0]);
    }
}

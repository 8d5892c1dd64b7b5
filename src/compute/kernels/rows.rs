use pulp::Arch;
use rayon::prelude::*;

/// Numbers that one task works on at least, so that sharing the work does not cost more than it gives.
const TASK: usize = 1 << 14;

/// Runs loops with the vector instructions that this processor has.
#[inline]
pub(in super::super) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// Gives each row of `out`, `width` numbers, with its index to `fill`, in parallel.
pub(in super::super) fn for_rows(out: &mut [f32], width: usize, fill: impl Fn(usize, &mut [f32]) + Sync) {
    let width = width.max(1);
    let rows = (TASK / width).max(1);
    out.par_chunks_mut(rows * width).enumerate().for_each(|(task, chunk)| {
        vectorised(|| {
            for (row, values) in chunk.chunks_exact_mut(width).enumerate() {
                fill(task * rows + row, values);
            }
        });
    });
}

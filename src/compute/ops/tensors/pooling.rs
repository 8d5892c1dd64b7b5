use std::sync::Arc;

use candle_core::Tensor;

use super::super::pooling::taken;
use super::products::{times, turned_times};
use crate::checkpoint::Pooling;
use crate::compute::ComputeError;
use crate::compute::packed::Row;
use crate::compute::tape::{Tape, Value};

/// One vector a text, as a product with the shares of all tokens in it.
#[expect(clippy::cast_possible_truncation, reason = "tensors are f32")]
pub(in super::super) fn pool(
    tape: &mut Tape,
    pooling: Pooling,
    rows: &Arc<[Row]>,
    x: &Value,
) -> Result<Value, ComputeError> {
    let tokens = x.tensor.dim(0)?;
    let mut shares = vec![0.0f32; rows.len() * tokens];
    for (of_text, &row) in shares.chunks_exact_mut(tokens.max(1)).zip(rows.iter()) {
        let (places, share) = taken(pooling, row);
        of_text[places].fill(share as f32);
    }
    let shares = Tensor::from_vec(shares, (rows.len(), tokens), x.tensor.device())?;
    let (result, node) = (times(&shares, &x.tensor)?, x.node);
    Ok(tape.record(&[x], result, move |gradient, gradients| {
        gradients.add(node, turned_times(&shares, &gradient)?)
    }))
}

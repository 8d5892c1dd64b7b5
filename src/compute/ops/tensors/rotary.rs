use candle_core::Tensor;

use super::super::Turns;
use crate::compute::ComputeError;
use crate::compute::tape::{Tape, Value};

/// Turns the two halves of each head against each other by the position of its row.
pub(in super::super) fn rotate(tape: &mut Tape, turns: &Turns, x: &Value) -> Result<Value, ComputeError> {
    let places = Tensor::from_slice(&turns.places, turns.places.len(), x.tensor.device())?;
    // One a row, the same for all heads: [rows, 1, half].
    let of_rows = |table: &Tensor| table.index_select(&places, 0)?.unsqueeze(1);
    let (cosines, sines) = (of_rows(&turns.cosines)?, of_rows(&turns.sines)?);
    let result = turned(&x.tensor, [&cosines, &sines])?;
    let node = x.node;
    Ok(tape.record(&[x], result, move |gradient, gradients| {
        gradients.add(node, turned(&gradient, [&cosines, &sines.neg()?])?)
    }))
}

fn turned(x: &Tensor, [cosines, sines]: [&Tensor; 2]) -> Result<Tensor, ComputeError> {
    let (rows, _, half) = cosines.dims3()?;
    let heads = x.reshape((rows, (), 2 * half))?;
    let [a, b] = [heads.narrow(2, 0, half)?, heads.narrow(2, half, half)?];
    let first = (a.broadcast_mul(cosines)? - b.broadcast_mul(sines)?)?;
    let second = (b.broadcast_mul(cosines)? + a.broadcast_mul(sines)?)?;
    Ok(Tensor::cat(&[first, second], 2)?.reshape(x.shape())?)
}

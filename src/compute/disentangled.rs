use candle_core::{Device, Tensor};

use super::ComputeError;
use super::attention::split;
use super::interpreter::Interpreter;
use crate::architectures::{Disentangled, Linear, Operations};

/// The scores between contents and distances, not scaled: [rows, heads, asking, asked].
pub(super) fn scores(
    interpreter: &mut Interpreter,
    parts: &Disentangled,
    [query, key]: [&Tensor; 2],
) -> Result<Tensor, ComputeError> {
    let mut table = interpreter.parameter(&parts.table)?.clone();
    if let Some(norm) = &parts.norm {
        table = interpreter.norm(norm, &table)?;
    }
    let (rows, heads, length, head_width) = query.dims4()?;
    let mut total = Tensor::zeros((rows, heads, length, length), query.dtype(), &Device::Cpu)?;
    let of_distances = |interpreter: &mut Interpreter, linear: &Linear| {
        let projected = interpreter.linear(linear, &table)?.unsqueeze(0)?;
        // [1, heads, head width, distances]
        Ok::<Tensor, ComputeError>(split(&projected, head_width)?.permute((0, 2, 3, 1))?.contiguous()?)
    };
    if let Some(linear) = &parts.key {
        let asked = of_distances(interpreter, linear)?;
        let by_row = query.broadcast_matmul(&asked)?;
        total = (total + picked(&by_row, parts, false)?)?;
    }
    if let Some(linear) = &parts.query {
        let asking = of_distances(interpreter, linear)?;
        let by_row = key.broadcast_matmul(&asking)?;
        total = (total + picked(&by_row, parts, true)?.transpose(2, 3)?)?;
    }
    Ok(total)
}

/// From a score for each row of the table to one for each other token; `asked` tells that the places of the second
/// last dimension are those that are asked.
fn picked(by_row: &Tensor, parts: &Disentangled, asked: bool) -> Result<Tensor, ComputeError> {
    let (rows, heads, length, _) = by_row.dims4()?;
    let size = |place: usize| i64::try_from(place).unwrap_or(i64::MAX);
    let mut indices = Vec::with_capacity(length * length);
    for own in 0..length {
        for other in 0..length {
            let distance = if asked { size(other) - size(own) } else { size(own) - size(other) };
            let row = u32::try_from(parts.row(distance));
            indices.push(row.map_err(|error| ComputeError::Batch(error.to_string()))?);
        }
    }
    let indices = Tensor::from_vec(indices, (1, 1, length, length), &Device::Cpu)?;
    let indices = indices.expand((rows, heads, length, length))?.contiguous()?;
    Ok(by_row.contiguous()?.gather(&indices, 3)?)
}

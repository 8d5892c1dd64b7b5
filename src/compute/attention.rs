use candle_core::{D, Device, Tensor};

use super::interpreter::Interpreter;
use super::{ComputeError, PaddedBatch, disentangled};
use crate::architectures::{Attention, Mask, Operations, RelativeBias, Rotary};

/// Added to the score of a token that must not be seen. Not minus infinity: a padded row that sees nothing at all
/// would become NaN, and NaN would travel through the sums of its batch.
const UNSEEN: f32 = f32::MIN / 2.0;

/// What each token attends to: [rows, length, heads x head width].
pub(super) fn attend(
    interpreter: &mut Interpreter,
    attention: &Attention,
    x: &Tensor,
) -> Result<Tensor, ComputeError> {
    let asking = interpreter.linear(&attention.query, x)?;
    let asked = interpreter.linear(&attention.key, x)?;
    let mut asking = split(&asking, attention.head_width)?;
    let mut asked = split(&asked, attention.head_width)?;
    if let Some([query_norm, key_norm]) = attention.head_norms.as_deref() {
        asking = interpreter.norm(query_norm, &asking)?;
        asked = interpreter.norm(key_norm, &asked)?;
    }
    let (mut query, mut key) = (in_front(&asking)?, in_front(&asked)?);
    if let Some(rotary) = &attention.rotary {
        (query, key) = (rotated(&query, rotary)?, rotated(&key, rotary)?);
    }
    let value = interpreter.linear(&attention.value, x)?;
    let value = in_front(&split(&value, attention.head_width)?)?;

    let groups = attention.heads / attention.key_value_heads;
    let mut scores = query.matmul(&repeated(&key, groups)?.t()?.contiguous()?)?;
    if let Some(parts) = &attention.disentangled {
        scores = (scores + disentangled::scores(interpreter, parts, [&query, &key])?)?;
    }
    let scores = masked(interpreter, attention, &(scores * f64::from(attention.scale))?)?;
    let gathered = softmax(&scores)?.matmul(&repeated(&value, groups)?)?;
    let (rows, length) = (interpreter.batch.rows, interpreter.batch.length);
    Ok(gathered.transpose(1, 2)?.reshape((rows, length, attention.heads * attention.head_width))?)
}

/// [rows, length, heads, head width].
pub(super) fn split(x: &Tensor, head_width: usize) -> Result<Tensor, candle_core::Error> {
    let (rows, length, width) = x.dims3()?;
    x.reshape((rows, length, width / head_width, head_width))
}

/// [rows, heads, length, head width].
fn in_front(x: &Tensor) -> Result<Tensor, ComputeError> {
    Ok(x.transpose(1, 2)?.contiguous()?)
}

/// Each head `times` times beside itself.
fn repeated(x: &Tensor, times: usize) -> Result<Tensor, candle_core::Error> {
    if times == 1 {
        return Ok(x.clone());
    }
    let (rows, heads, length, width) = x.dims4()?;
    let wide = x.unsqueeze(2)?.expand((rows, heads, times, length, width))?;
    wide.reshape((rows, heads * times, length, width))
}

/// The first half turned against the second.
fn rotated(x: &Tensor, rotary: &Rotary) -> Result<Tensor, candle_core::Error> {
    let (_, _, length, width) = x.dims4()?;
    let half = width / 2;
    let [cosines, sines] =
        rotary.tables(length).map(|table| Tensor::from_vec(table, (length, half), &Device::Cpu));
    let (cosines, sines) = (cosines?, sines?);
    let (first, second) = (x.narrow(3, 0, half)?, x.narrow(3, half, half)?);
    let turned_first = (first.broadcast_mul(&cosines)? - second.broadcast_mul(&sines)?)?;
    let turned_second = (second.broadcast_mul(&cosines)? + first.broadcast_mul(&sines)?)?;
    Tensor::cat(&[turned_first, turned_second], 3)?.contiguous()
}

/// The scores capped, biased, and without what must not be seen.
fn masked(interpreter: &Interpreter, attention: &Attention, scores: &Tensor) -> Result<Tensor, ComputeError> {
    let mut scores = scores.clone();
    if let Some(cap) = attention.softcap.map(f64::from) {
        scores = ((scores / cap)?.tanh()? * cap)?;
    }
    if let Some(bias) = &attention.relative_bias {
        scores = scores.broadcast_add(&distance_bias(interpreter, bias)?)?;
    }
    Ok(scores.broadcast_add(&mask(interpreter.batch, attention.mask)?)?)
}

/// 0 where a token is seen: [rows, 1, asking, asked].
fn mask(batch: &PaddedBatch, mask: Mask) -> Result<Tensor, candle_core::Error> {
    let length = batch.length;
    let mut values = Vec::with_capacity(batch.rows * length * length);
    for row in batch.valid.chunks_exact(length) {
        for asking in 0..length {
            values.extend(row.iter().enumerate().map(|(asked, &valid)| {
                let seen = match mask {
                    Mask::Padding => true,
                    Mask::Causal => asked <= asking,
                    Mask::SlidingCausal { window } => asked <= asking && asking - asked < window,
                    Mask::Surroundings { reach } => asking.abs_diff(asked) <= reach,
                };
                if valid && seen { 0.0 } else { UNSEEN }
            }));
        }
    }
    Tensor::from_vec(values, (batch.rows, 1, length, length), &Device::Cpu)
}

/// The learnt bias of each pair of places: [1, heads, asking, asked].
fn distance_bias(interpreter: &Interpreter, bias: &RelativeBias) -> Result<Tensor, ComputeError> {
    let table = interpreter.parameter(&bias.table)?;
    let (_, heads) = table.dims2()?;
    let length = interpreter.batch.length;
    let pairs = (0..length).flat_map(|asking| (0..length).map(move |asked| (asking, asked)));
    let buckets = pairs.map(|(asking, asked)| bias.bucket(asking, asked));
    let indices = buckets.map(u32::try_from).collect::<Result<Vec<u32>, _>>();
    let indices = indices.map_err(|error| ComputeError::Batch(error.to_string()))?;
    let rows = table.index_select(&Tensor::new(indices, &Device::Cpu)?, 0)?;
    Ok(rows.reshape((length, length, heads))?.permute((2, 0, 1))?.unsqueeze(0)?)
}

/// Over the last dimension, by operations that have a gradient.
fn softmax(scores: &Tensor) -> Result<Tensor, candle_core::Error> {
    let largest = scores.max_keepdim(D::Minus1)?;
    let powers = scores.broadcast_sub(&largest)?.exp()?;
    powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_the_asking_token_itself() {
        let texts: [(&[u32], &[u32]); 1] = [(&[1, 2, 3, 4], &[0, 0, 0, 0])];
        let batch = PaddedBatch::new(&texts, false).unwrap();
        let values = mask(&batch, Mask::SlidingCausal { window: 2 }).unwrap();
        let values: Vec<f32> = values.flatten_all().unwrap().to_vec1().unwrap();
        let seen: Vec<bool> = values.iter().map(|&value| value == 0.0).collect();
        assert_eq!(seen[12..], [false, false, true, true]);
        assert_eq!(seen[..4], [true, false, false, false]);
    }
}

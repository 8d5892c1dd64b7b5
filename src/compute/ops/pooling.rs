use std::sync::Arc;

use crate::checkpoint::Pooling;
use crate::compute::ComputeError;
use crate::compute::numbers::{numbers, tensor};
use crate::compute::packed::Row;
use crate::compute::tape::{Tape, Value};

/// The places that are pooled, and the share of each.
pub(super) fn taken(pooling: Pooling, row: Row) -> (std::ops::Range<usize>, f64) {
    let [from, to] = row.valid.map(|place| row.start + place);
    match pooling {
        Pooling::First => (from..from + 1, 1.0),
        Pooling::Last => (to - 1..to, 1.0),
        Pooling::Mean => (from..to, 1.0 / (to - from) as f64),
    }
}

/// One vector a text from the states [tokens, width], by the formula of `checkpoint::Head`.
#[expect(clippy::cast_possible_truncation, reason = "sums are f64, states f32")]
pub(super) fn pool(
    tape: &mut Tape,
    pooling: Pooling,
    rows: &Arc<[Row]>,
    x: &Value,
) -> Result<Value, ComputeError> {
    let (tokens, width) = x.tensor.dims2()?;
    let states = numbers(&x.tensor)?;
    let mut pooled = Vec::with_capacity(rows.len() * width);
    for &row in rows.iter() {
        let (places, share) = taken(pooling, row);
        let mut sums = vec![0.0f64; width];
        for state in states[places.start * width..places.end * width].chunks_exact(width) {
            sums.iter_mut().zip(state).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        pooled.extend(sums.into_iter().map(|sum| (sum * share) as f32));
    }
    drop(states);
    let result = tensor(pooled, &[rows.len(), width])?;
    let (node, rows) = (x.node, Arc::clone(rows));
    Ok(tape.record(&[x], result, move |gradient, gradients| {
        let mut back = vec![0.0f32; tokens * width];
        for (&row, from) in rows.iter().zip(numbers(&gradient)?.chunks_exact(width)) {
            let (places, share) = taken(pooling, row);
            for state in back[places.start * width..places.end * width].chunks_exact_mut(width) {
                state.iter_mut().zip(from).for_each(|(to, from)| *to = from * share as f32);
            }
        }
        gradients.add(node, tensor(back, &[tokens, width])?)
    }))
}

#[cfg(test)]
mod tests {
    use super::super::check::worst;
    use super::super::pool;
    use super::*;

    #[test]
    fn padding_is_not_pooled_and_the_way_back_is_the_slope() {
        let rows: Arc<[Row]> =
            [Row { start: 0, length: 4, valid: [1, 4] }, Row { start: 4, length: 2, valid: [0, 1] }].into();
        for pooling in [Pooling::Mean, Pooling::First, Pooling::Last] {
            let difference = worst(&[&[6, 3]], |tape, values| pool(tape, pooling, &rows, &values[0]));
            assert!(difference < 1e-3, "{pooling:?} {difference:e}");
        }
        let x = Value::constant(tensor((0..6).map(|n| n as f32).collect(), &[6, 1]).unwrap());
        let pooled = pool(&mut Tape::default(), Pooling::Mean, &rows, &x).unwrap();
        assert_eq!(pooled.numbers().unwrap(), [2.0, 4.0]);
    }
}

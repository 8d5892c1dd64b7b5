use std::sync::Arc;

use crate::compute::ComputeError;
use crate::compute::kernels::for_rows;
use crate::compute::numbers::{numbers, tensor};
use crate::compute::tape::{Tape, Value};

/// Cosines and sines of each position, and the position of each row.
#[derive(Clone, Debug)]
pub(in super::super) struct Turns {
    /// Rows of half a head's width.
    pub(in super::super) cosines: Arc<[f32]>,
    /// The same.
    pub(in super::super) sines: Arc<[f32]>,
    /// One a row of x.
    pub(in super::super) places: Arc<[u32]>,
    /// Width of a head.
    pub(in super::super) width: usize,
}

/// Turns the two halves of each head against each other by the position of its row.
pub(in super::super) fn rotate(tape: &mut Tape, turns: &Turns, x: &Value) -> Result<Value, ComputeError> {
    let result = tensor(turn(turns, &numbers(&x.tensor)?, 1.0), x.tensor.dims())?;
    let (turns, node, shape) = (turns.clone(), x.node, x.tensor.dims().to_vec());
    Ok(tape.record(&[x], result, move |gradient, gradients| {
        gradients.add(node, tensor(turn(&turns, &numbers(&gradient)?, -1.0), &shape)?)
    }))
}

fn turn(turns: &Turns, x: &[f32], direction: f32) -> Vec<f32> {
    let (row_width, half) = (x.len() / turns.places.len().max(1), turns.width / 2);
    let mut out = vec![0.0; x.len()];
    for_rows(&mut out, row_width, |row, out| {
        let place = turns.places[row] as usize * half;
        let (cosines, sines) = (&turns.cosines[place..][..half], &turns.sines[place..][..half]);
        let heads = out.chunks_exact_mut(turns.width).zip(x[row * row_width..].chunks_exact(turns.width));
        for (out, x) in heads {
            let ((first, second), (a, b)) = (out.split_at_mut(half), x.split_at(half));
            for index in 0..half {
                let (cosine, sine) = (cosines[index], sines[index] * direction);
                first[index] = a[index] * cosine - b[index] * sine;
                second[index] = b[index] * cosine + a[index] * sine;
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::super::check::worst;
    use super::*;

    #[test]
    fn the_way_back_turns_the_other_way() {
        let angles: Vec<f32> = (0..12).map(|n| 0.3 * n as f32).collect();
        let table = |function: fn(f32) -> f32| angles.iter().map(|&a| function(a)).collect::<Arc<[f32]>>();
        let turns =
            Turns { cosines: table(f32::cos), sines: table(f32::sin), places: [0, 1, 3, 0].into(), width: 6 };
        let difference = worst(&[&[4, 12]], |tape, values| rotate(tape, &turns, &values[0]));
        assert!(difference < 1e-3, "{difference:e}");
    }
}

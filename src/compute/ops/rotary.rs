use std::sync::Arc;

use candle_core::Tensor;

use crate::compute::ComputeError;
use crate::compute::kernels::for_rows;
use crate::compute::numbers::{numbers, tensor};
use crate::compute::tape::{Tape, Value};

/// Cosines and sines of each position, and the position of each row.
#[derive(Clone, Debug)]
pub(in super::super) struct Turns {
    /// [positions, half of a head's width].
    pub(in super::super) cosines: Tensor,
    /// The same.
    pub(in super::super) sines: Tensor,
    /// One a row of x.
    pub(in super::super) places: Arc<[u32]>,
    /// Width of a head.
    pub(in super::super) width: usize,
}

/// Turns the two halves of each head against each other by the position of its row.
pub(super) fn rotate(tape: &mut Tape, turns: &Turns, x: &Value) -> Result<Value, ComputeError> {
    let result = turn(turns, &x.tensor, 1.0)?;
    let (turns, node) = (turns.clone(), x.node);
    Ok(tape
        .record(&[x], result, move |gradient, gradients| gradients.add(node, turn(&turns, &gradient, -1.0)?)))
}

fn turn(turns: &Turns, tensor_of_x: &Tensor, direction: f32) -> Result<Tensor, ComputeError> {
    let x = numbers(tensor_of_x)?;
    let (all_cosines, all_sines) = (numbers(&turns.cosines)?, numbers(&turns.sines)?);
    let (row_width, half) = (x.len() / turns.places.len().max(1), turns.width / 2);
    let mut out = vec![0.0; x.len()];
    for_rows(&mut out, row_width, |row, out| {
        let place = turns.places[row] as usize * half;
        let (cosines, sines) = (&all_cosines[place..][..half], &all_sines[place..][..half]);
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
    tensor(out, tensor_of_x.dims())
}

#[cfg(test)]
mod tests {
    use super::super::check::worst;
    use super::super::rotate;
    use super::*;

    #[test]
    fn the_way_back_turns_the_other_way() {
        let angles: Vec<f32> = (0..12).map(|n| 0.3 * n as f32).collect();
        let table = |function: fn(f32) -> f32| {
            tensor(angles.iter().map(|&a| function(a)).collect(), &[4, 3]).unwrap()
        };
        let turns =
            Turns { cosines: table(f32::cos), sines: table(f32::sin), places: [0, 1, 3, 0].into(), width: 6 };
        let difference = worst(&[&[4, 12]], |tape, values| rotate(tape, &turns, &values[0]));
        assert!(difference < 1e-3, "{difference:e}");
    }
}

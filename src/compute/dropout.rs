use candle_core::{DType, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::engine::Steps;
use super::packed::Row;
use super::{ComputeError, Engine};

/// Which numbers of the input of every adapter are left out in one step (Srivastava et al. 2014): each with the probability
/// `rate`, those that stay multiplied by 1 / (1 - rate).
///
/// The choice is a function of the step's draw, the map, the text and the place of the number in it: the same whatever
/// the threads and the size of batches, and when a layer is computed a second time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// From 0 to below 1.
    pub rate: f64,
    /// Drawn anew for each step.
    pub draw: u64,
    /// The number of the first text of the batch among those of the step.
    pub first_text: u64,
}

/// The factors of the numbers in front of an adapter: 0, or the same for all that stay.
#[derive(Clone, Debug)]
pub(super) enum Factors {
    /// As they are.
    Numbers(Tensor),
    /// A byte each, 1 of what stays, and the factor of that: a quarter of the bytes on their way to a GPU.
    Marks(Tensor, f32),
}

impl Factors {
    /// What is left of x.
    pub(super) fn of(&self, x: &Tensor) -> Result<Tensor, ComputeError> {
        Ok(match self {
            Self::Numbers(factors) => (x * factors)?,
            Self::Marks(marks, factor) => ((x * marks.to_dtype(DType::F32)?)? * f64::from(*factor))?,
        })
    }
}

impl Dropout {
    /// The factors of the input of a map, [tokens, inputs]; what is no text of `rows`, such as a table of distances, has
    /// its own.
    pub(super) fn in_front_of(
        &self,
        map: &str,
        (rows, [tokens, inputs]): (&[Row], [usize; 2]),
        engine: &Engine,
    ) -> Result<Factors, ComputeError> {
        let is_text = rows.iter().map(|row| row.length).sum::<usize>() == tokens;
        let rows = is_text.then_some(rows);
        let (shape, kept) = ([tokens, inputs], self.factor());
        Ok(match engine.steps() {
            Steps::Loops => {
                Factors::Numbers(engine.tensor(self.choose(map, (rows, shape), [0.0, kept]), &shape)?)
            }
            Steps::Tensors => {
                let marks = self.choose(map, (rows, shape), [0u8, 1]);
                Factors::Marks(Tensor::from_vec(marks, &shape, engine.device())?, kept)
            }
        })
    }

    /// One of two values for each number: of what is left out, and of what stays.
    fn choose<T: Copy + Send + Sync>(
        &self,
        map: &str,
        (rows, [tokens, inputs]): (Option<&[Row]>, [usize; 2]),
        values: [T; 2],
    ) -> Vec<T> {
        let Some(rows) = rows else { return self.of_text((map, u64::MAX), tokens * inputs, values) };
        let texts: Vec<Vec<T>> = (0u64..)
            .zip(rows)
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|(text, row)| self.of_text((map, self.first_text + text), row.length * inputs, values))
            .collect();
        texts.concat()
    }

    #[expect(clippy::cast_possible_truncation, reason = "factors are f32")]
    fn factor(&self) -> f32 {
        (1.0 / (1.0 - self.rate)) as f32
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of all u32")]
    fn of_text<T: Copy>(&self, (map, text): (&str, u64), count: usize, [left_out, kept]: [T; 2]) -> Vec<T> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.draw.to_le_bytes()).update(&text.to_le_bytes()).update(map.as_bytes());
        let mut random = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
        let below = (self.rate * 4_294_967_296.0) as u64;
        (0..count).map(|_| if u64::from(random.next_u32()) < below { left_out } else { kept }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::numbers::copied;

    #[test]
    fn the_choice_has_its_rate_and_does_not_know_how_texts_are_batched() {
        let row = |start, length| Row { start, length, valid: [0, length] };
        let factors = |dropout: Dropout, map: &str, rows: &[Row]| {
            let of = (rows, [rows.iter().map(|row| row.length).sum(), 100]);
            let [one, same] = [Engine::PROCESSOR, Engine::double_of_gpu()].map(|engine| {
                let factors = dropout.in_front_of(map, of, &engine).unwrap();
                let ones = Tensor::ones(&of.1, DType::F32, engine.device()).unwrap();
                copied(&factors.of(&ones).unwrap()).unwrap()
            });
            assert_eq!(one, same);
            one
        };
        let both = [row(0, 40), row(40, 60)];
        let dropout = Dropout { rate: 0.25, draw: 7, first_text: 3 };
        let whole = factors(dropout, "m", &both);
        let second = factors(Dropout { first_text: 4, ..dropout }, "m", &[row(0, 60)]);
        assert_eq!(whole[4000..], second);
        let left_out = whole.iter().filter(|&&factor| factor == 0.0).count() as f64 / whole.len() as f64;
        // Four standard errors of 10,000 draws.
        assert!((left_out - 0.25).abs() < 4.0 * (0.25f64 * 0.75 / 10_000.0).sqrt(), "{left_out}");
        let mean = whole.iter().map(|&factor| f64::from(factor)).sum::<f64>() / whole.len() as f64;
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
        assert_ne!(whole, factors(dropout, "n", &both));
        assert_ne!(whole, factors(Dropout { draw: 8, ..dropout }, "m", &both));
    }
}

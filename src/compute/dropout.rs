use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::packed::Row;

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

impl Dropout {
    /// The factors of the input of a map, [tokens, inputs].
    pub(super) fn factors(&self, map: &str, rows: &[Row], inputs: usize) -> Vec<f32> {
        let texts: Vec<Vec<f32>> = (0u64..)
            .zip(rows)
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|(text, row)| self.of_text((map, self.first_text + text), row.length * inputs))
            .collect();
        texts.concat()
    }

    /// The factors of what belongs to no text, such as a table of distances.
    pub(super) fn factors_of_table(&self, map: &str, count: usize) -> Vec<f32> {
        self.of_text((map, u64::MAX), count)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of all u32, and factors are f32"
    )]
    fn of_text(&self, (map, text): (&str, u64), count: usize) -> Vec<f32> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.draw.to_le_bytes()).update(&text.to_le_bytes()).update(map.as_bytes());
        let mut random = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
        let (below, kept) = ((self.rate * 4_294_967_296.0) as u64, (1.0 / (1.0 - self.rate)) as f32);
        (0..count).map(|_| if u64::from(random.next_u32()) < below { 0.0 } else { kept }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_has_its_rate_and_does_not_know_how_texts_are_batched() {
        let row = |start, length| Row { start, length, valid: [0, length] };
        let dropout = Dropout { rate: 0.25, draw: 7, first_text: 3 };
        let whole = dropout.factors("m", &[row(0, 40), row(40, 60)], 100);
        let second = Dropout { first_text: 4, ..dropout }.factors("m", &[row(0, 60)], 100);
        assert_eq!(whole[4000..], second);
        let left_out = whole.iter().filter(|&&factor| factor == 0.0).count() as f64 / whole.len() as f64;
        // Four standard errors of 10,000 draws.
        assert!((left_out - 0.25).abs() < 4.0 * (0.25f64 * 0.75 / 10_000.0).sqrt(), "{left_out}");
        let mean = whole.iter().map(|&factor| f64::from(factor)).sum::<f64>() / whole.len() as f64;
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
        assert_ne!(whole, dropout.factors("n", &[row(0, 40), row(40, 60)], 100));
        assert_ne!(whole, Dropout { draw: 8, ..dropout }.factors("m", &[row(0, 40), row(40, 60)], 100));
    }
}

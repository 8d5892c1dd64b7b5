use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream of random numbers is for: no two purposes share numbers, so that another amount of
/// text changes no vote.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// Which row a row repeats, and which prompt it takes.
    Plan = 0,
    /// The text of a prompt of one row.
    Prompt = 1,
    /// The text of a prompt that many rows share.
    PopularPrompt = 2,
    /// The models and their responses.
    Responses = 3,
    /// The vote.
    Vote = 4,
    /// The key of the row.
    Id = 5,
}

/// A number rounded down; below 0 and no number give 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, as wanted")]
pub(super) fn floor(value: f64) -> usize {
    value as usize
}

/// A seeded stream of choices; the same on every machine and thread.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of one row (or popular prompt) for one purpose.
    pub(super) fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(index.wrapping_mul(8).wrapping_add(purpose as u64));
        Self(generator)
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in 0..count; 0 when `count` is 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let range = u128::from(self.0.next_u64()) * count as u128;
        usize::try_from(range >> 64).unwrap_or(0)
    }

    /// Uniform in low..=high.
    pub(super) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Standard normal (Box and Muller 1958).
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// One of the values; `None` when there are none.
    pub(super) fn pick<'a, T>(&mut self, values: &'a [T]) -> Option<&'a T> {
        values.get(self.below(values.len()))
    }

    /// The index of one weight, drawn in proportion; weights are not negative.
    pub(super) fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.unit() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (index, weight) in weights.enumerate() {
            if left < weight {
                return index;
            }
            left -= weight;
            last = index;
        }
        last
    }

    /// The values in a random order (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }
}

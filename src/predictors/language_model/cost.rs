//! What a model cost: tokens and seconds a pair, so that judge, reward model and classifier can be compared.

use serde::{Deserialize, Serialize};

use super::RunSummary;

/// What a model was asked for and what that took, in this process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    pairs: usize,
    tokens: usize,
    tokenization_seconds: f64,
    computed_sequences: usize,
    computed_tokens: usize,
    seconds: f64,
}

/// Tokens and seconds a pair of responses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCost {
    /// Tokens of all sequences of a pair (both orders, or both responses) without padding, on average.
    pub tokens_per_pair: f64,
    /// Seconds of tokenization and of the model for that many tokens; absent where nothing was computed, because
    /// everything was known from an interrupted run.
    pub seconds_per_pair: Option<f64>,
    /// Sequences that were computed; equal ones are computed once.
    pub computed_sequences: usize,
    /// Seconds that they took.
    pub seconds: f64,
}

impl Spent {
    /// Pairs that were asked for, with the tokens of their sequences.
    pub(super) fn ask(&mut self, pairs: usize, tokens: usize, seconds: f64) {
        self.pairs += pairs;
        self.tokens += tokens;
        self.tokenization_seconds += seconds;
    }

    /// A run of sequences that were not known.
    pub(super) fn compute(&mut self, summary: &RunSummary) {
        self.computed_sequences += summary.items;
        self.computed_tokens += summary.tokens;
        self.seconds += summary.seconds;
    }

    /// What a pair cost; `None` before any was asked for.
    pub(super) fn cost(&self) -> Option<ModelCost> {
        if self.pairs == 0 {
            return None;
        }
        let pairs = self.pairs as f64;
        let tokens_per_pair = self.tokens as f64 / pairs;
        let seconds_per_pair = (self.computed_tokens > 0).then(|| {
            self.tokenization_seconds / pairs + tokens_per_pair * self.seconds / self.computed_tokens as f64
        });
        Some(ModelCost {
            tokens_per_pair,
            seconds_per_pair,
            computed_sequences: self.computed_sequences,
            seconds: self.seconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_costs_its_tokens_at_the_speed_that_was_measured() {
        let mut spent = Spent::default();
        assert_eq!(spent.cost(), None);
        spent.ask(10, 400, 0.5);
        let known = spent.cost().unwrap();
        assert_eq!((known.tokens_per_pair, known.seconds_per_pair), (40.0, None));
        // Half of them were computed, the others are repeated battles.
        spent.compute(&RunSummary { items: 10, tokens: 200, seconds: 4.0, ..RunSummary::default() });
        let cost = spent.cost().unwrap();
        assert!((cost.seconds_per_pair.unwrap() - (0.05 + 0.8)).abs() < 1e-12, "{cost:?}");
        assert_eq!((cost.computed_sequences, cost.seconds), (10, 4.0));
    }
}

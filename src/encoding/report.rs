use serde::Serialize;

use super::Sequence;
use super::part::{Kept, PartCounts};

/// How much of a file a budget cuts away.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TruncationReport {
    /// Battles.
    pub rows: usize,
    /// Sequences of all battles.
    pub sequences: usize,
    /// Battles of which anything was cut.
    pub rows_cut: usize,
    /// Their share, 0 to 1.
    pub share_of_rows_cut: f64,
    /// Battles that lost whole turns.
    pub rows_without_early_turns: usize,
    /// Battles whose own texts spell control tokens of the model.
    pub rows_with_control_tokens: usize,
    /// The prompts.
    pub prompt: PartReport,
    /// The responses in the first place.
    pub response_a: PartReport,
    /// The responses in the second place.
    pub response_b: PartReport,
    /// Tokens of a sequence as the model reads it.
    pub tokens: Quantiles,
    /// Tokens of the texts and their frame before the cut, without special tokens.
    pub tokens_before: Quantiles,
}

/// One part over all sequences.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartReport {
    /// Sequences in which it was cut.
    pub sequences_cut: usize,
    /// Their share, 0 to 1.
    pub share_cut: f64,
    /// Tokens that stayed.
    pub tokens_kept: usize,
    /// Tokens before the cut.
    pub tokens_before: usize,
    /// Share of tokens that stayed, 0 to 1; 1 where there were none.
    pub share_kept: f64,
    /// Tokens before the cut, sequence by sequence.
    pub lengths: Quantiles,
}

/// Quantiles of whole numbers, each one of the numbers itself (nearest rank); all 0 of nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// The arithmetic mean.
    pub mean: f64,
    /// The smallest.
    pub min: usize,
    /// A quarter is at most this.
    pub p25: usize,
    /// Half are at most this.
    pub p50: usize,
    /// Three quarters are at most this.
    pub p75: usize,
    /// 90 % are at most this.
    pub p90: usize,
    /// 95 % are at most this.
    pub p95: usize,
    /// 99 % are at most this.
    pub p99: usize,
    /// The largest.
    pub max: usize,
}

impl Quantiles {
    fn of(mut numbers: Vec<usize>) -> Self {
        numbers.sort_unstable();
        let (Some(&min), Some(&max)) = (numbers.first(), numbers.last()) else { return Self::default() };
        let at = |percent: usize| numbers[(numbers.len() * percent).div_ceil(100).max(1) - 1];
        let mean = numbers.iter().sum::<usize>() as f64 / numbers.len() as f64;
        let [p25, p50, p75, p90, p95, p99] = [25, 50, 75, 90, 95, 99].map(at);
        Self { mean, min, p25, p50, p75, p90, p95, p99, max }
    }
}

/// Collects a truncation report battle by battle, so that the sequences need not be kept.
#[derive(Clone, Debug, Default)]
pub struct TruncationTally {
    rows: usize,
    rows_cut: usize,
    rows_without_early_turns: usize,
    rows_with_control_tokens: usize,
    lengths: Vec<usize>,
    counts: Vec<PartCounts>,
}

impl TruncationTally {
    /// Adds the sequences of one battle.
    pub fn add(&mut self, sequences: &[Sequence]) {
        self.rows += 1;
        self.rows_cut += usize::from(sequences.iter().any(|sequence| sequence.counts.is_cut()));
        self.rows_without_early_turns +=
            usize::from(sequences.iter().any(|sequence| sequence.counts.dropped_turns > 0));
        self.rows_with_control_tokens +=
            usize::from(sequences.iter().any(|sequence| sequence.counts.control_tokens > 0));
        self.lengths.extend(sequences.iter().map(|sequence| sequence.ids.len()));
        self.counts.extend(sequences.iter().map(|sequence| sequence.counts));
    }

    /// The report over all that was added.
    #[must_use]
    pub fn report(&self) -> TruncationReport {
        TruncationReport {
            rows: self.rows,
            sequences: self.counts.len(),
            rows_cut: self.rows_cut,
            share_of_rows_cut: share(self.rows_cut, self.rows, 0.0),
            rows_without_early_turns: self.rows_without_early_turns,
            rows_with_control_tokens: self.rows_with_control_tokens,
            prompt: self.part(|counts| counts.prompt),
            response_a: self.part(|counts| counts.response_a),
            response_b: self.part(|counts| counts.response_b),
            tokens: Quantiles::of(self.lengths.clone()),
            tokens_before: Quantiles::of(self.counts.iter().map(PartCounts::original).collect()),
        }
    }

    fn part(&self, part: impl Fn(&PartCounts) -> Kept) -> PartReport {
        let all: Vec<Kept> = self.counts.iter().map(part).collect();
        let sequences_cut = all.iter().filter(|part| part.is_cut()).count();
        let tokens_kept = all.iter().map(|part| part.kept).sum();
        let tokens_before = all.iter().map(|part| part.original).sum();
        PartReport {
            sequences_cut,
            share_cut: share(sequences_cut, all.len(), 0.0),
            tokens_kept,
            tokens_before,
            share_kept: share(tokens_kept, tokens_before, 1.0),
            lengths: Quantiles::of(all.iter().map(|part| part.original).collect()),
        }
    }
}

fn share(part: usize, whole: usize, of_nothing: f64) -> f64 {
    if whole == 0 { of_nothing } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Shown;

    fn sequence(kept: usize, original: usize) -> Sequence {
        let counts = PartCounts { prompt: Kept { kept, original }, ..PartCounts::default() };
        Sequence { ids: vec![0; kept + 2], type_ids: vec![0; kept + 2], shown: Shown::Ab, counts }
    }

    #[test]
    fn a_battle_counts_once_though_both_orders_are_cut() {
        let mut tally = TruncationTally::default();
        tally.add(&[sequence(5, 10), sequence(5, 10)]);
        tally.add(&[sequence(8, 8), sequence(8, 8)]);
        let report = tally.report();
        assert_eq!((report.rows, report.sequences, report.rows_cut), (2, 4, 1));
        assert_eq!((report.prompt.tokens_kept, report.prompt.tokens_before), (26, 36));
        assert_eq!(report.tokens.max, 10);
        assert_eq!((report.response_a.share_kept, report.response_a.share_cut), (1.0, 0.0));
        assert_eq!(TruncationTally::default().report().tokens, Quantiles::default());
    }

    #[test]
    fn quantiles_are_numbers_of_the_sample() {
        let found = Quantiles::of((1..=100).rev().collect());
        assert_eq!((found.min, found.p25, found.p50, found.p99, found.max), (1, 25, 50, 99, 100));
        assert_eq!(found.mean, 50.5);
        assert_eq!(Quantiles::of(vec![7]).p90, 7);
    }
}

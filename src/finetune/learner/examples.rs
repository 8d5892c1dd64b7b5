//! From battles to batches of a trainer.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::setup::Setup;
use crate::battle::{LabeledBattle, Vote};
use crate::checkpoint::OutputMeaning;
use crate::compute::PaddedBatch;
use crate::encoding::{EncodingError, Row, Sequence, Shown, plan};
use crate::finetune::{FinetuneError, Targets, TrainingBatch};

/// A row as training sees it: what the outputs should say may come from teachers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Example<'a> {
    pub(super) row: &'a LabeledBattle,
    /// Shares of A, B and tie.
    pub(super) target: [f64; 3],
}

/// Sequences that belong together, with what is to be said of them.
struct Piece {
    sequences: Vec<Sequence>,
    target: Vec<f64>,
    weight: f64,
}

impl Setup {
    /// The examples in batches that hold the memory down; a gradient is the sum over all of them.
    pub(super) fn batches(&self, examples: &[Example<'_>]) -> Result<Vec<TrainingBatch>, FinetuneError> {
        let pieces: Vec<Result<Vec<Piece>, EncodingError>> =
            examples.par_iter().map(|example| self.pieces(example)).collect();
        let pieces = pieces.into_iter().collect::<Result<Vec<_>, _>>()?;
        let pieces: Vec<Piece> = pieces.into_iter().flatten().collect();
        let rows: Vec<Row> =
            pieces.iter().map(|piece| Row::of(piece.sequences.iter().map(|s| s.ids.len()))).collect();
        let batches = plan(&rows, self.recipe.micro_batch_tokens);
        batches
            .iter()
            .map(|batch| self.batch(&batch.rows.iter().map(|row| &pieces[*row]).collect::<Vec<_>>()))
            .collect()
    }

    /// The lengths of the sequences that these examples become, of those that belong together in one place.
    pub(super) fn lengths(&self, examples: &[Example<'_>]) -> Result<Vec<Vec<usize>>, FinetuneError> {
        let of_piece = |piece: &Piece| piece.sequences.iter().map(|sequence| sequence.ids.len()).collect();
        let of_example = |example: &Example<'_>| -> Result<Vec<Vec<usize>>, EncodingError> {
            Ok(self.pieces(example)?.iter().map(of_piece).collect())
        };
        let lengths = examples.par_iter().map(of_example).collect::<Result<Vec<_>, _>>()?;
        Ok(lengths.into_iter().flatten().collect())
    }

    fn batch(&self, pieces: &[&Piece]) -> Result<TrainingBatch, FinetuneError> {
        let sequences = pieces.iter().flat_map(|piece| &piece.sequences);
        let texts: Vec<(&[u32], &[u32])> =
            sequences.map(|sequence| (&sequence.ids[..], &sequence.type_ids[..])).collect();
        let classes = if self.is_reward() { 3 } else { self.outputs.len() };
        let probabilities = pieces.iter().flat_map(|piece| piece.target.iter().copied()).collect();
        let weights = pieces.iter().map(|piece| piece.weight).collect();
        let texts = PaddedBatch::new(&texts, false)?;
        Ok(TrainingBatch { texts, targets: Targets::new(classes, probabilities, weights)? })
    }

    /// One piece a sequence, or one of both responses where each gets a reward.
    fn pieces(&self, example: &Example<'_>) -> Result<Vec<Piece>, EncodingError> {
        let shown = self.shown();
        let sequence = |shown: &Shown| self.encoder.sequence(&example.row.battle, *shown);
        if self.is_reward() {
            let sequences = shown.iter().map(sequence).collect::<Result<_, _>>()?;
            let weight = example.row.weight;
            return Ok(vec![Piece { sequences, target: example.target.to_vec(), weight }]);
        }
        let weight = example.row.weight / shown.len() as f64;
        let piece = |shown: &Shown| {
            let target = self.target(example, *shown == Shown::Ba);
            Ok(Piece { sequences: vec![sequence(shown)?], target, weight })
        };
        shown.iter().map(piece).collect()
    }

    /// What the outputs should say on average over the orders; of rewards the verdict on both.
    pub(super) fn mean_target(&self, example: &Example<'_>) -> Vec<f64> {
        if self.is_reward() {
            let [a, b, tie] = example.target;
            let side = f64::midpoint(a, b);
            return vec![side, side, tie];
        }
        let [straight, swapped] = [false, true].map(|is_swapped| self.target(example, is_swapped));
        straight.iter().zip(swapped).map(|(one, other)| f64::midpoint(*one, other)).collect()
    }

    /// What the outputs should say of one order.
    fn target(&self, example: &Example<'_>, is_swapped: bool) -> Vec<f64> {
        let [a, b, tie] = example.target;
        let [a, b] = if is_swapped { [b, a] } else { [a, b] };
        let has = |meaning| self.outputs.contains(&meaning);
        let both_bad = has(OutputMeaning::BothBad) && example.row.vote == Some(Vote::BothBad);
        let half = if has(OutputMeaning::Tie) { 0.0 } else { tie / 2.0 };
        let of = |meaning: &OutputMeaning| match meaning {
            OutputMeaning::A => a + half,
            OutputMeaning::B => b + half,
            OutputMeaning::Tie if !both_bad => tie,
            OutputMeaning::BothBad if both_bad => tie,
            _ => 0.0,
        };
        self.outputs.iter().map(of).collect()
    }
}

/// The rows of each step, drawn anew every epoch.
pub(super) struct Order {
    rows: usize,
    batch: usize,
    seed: u64,
    drawn: Option<(u64, Vec<usize>)>,
}

impl Order {
    pub(super) fn new(rows: usize, batch: usize, seed: u64) -> Self {
        Self { rows, batch, seed, drawn: None }
    }

    pub(super) fn steps_per_epoch(&self) -> u64 {
        self.rows.div_ceil(self.batch) as u64
    }

    /// The rows of a step, counted from 0 over all epochs; depends on nothing but the step.
    pub(super) fn rows_of(&mut self, step: u64) -> &[usize] {
        let (epoch, place) = (step / self.steps_per_epoch(), step % self.steps_per_epoch());
        let order = match self.drawn.take() {
            Some((drawn, order)) if drawn == epoch => order,
            _ => {
                let mut order: Vec<usize> = (0..self.rows).collect();
                let mut random = ChaCha8Rng::seed_from_u64(self.seed);
                random.set_stream(epoch);
                order.shuffle(&mut random);
                order
            }
        };
        let (_, order) = self.drawn.insert((epoch, order));
        let start = usize::try_from(place).unwrap_or(0) * self.batch;
        &order[start.min(self.rows)..(start + self.batch).min(self.rows)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_sees_every_row_once_in_another_order() {
        let mut order = Order::new(10, 4, 7);
        let epoch = |order: &mut Order, epoch: u64| -> Vec<usize> {
            (0..3).flat_map(|step| order.rows_of(3 * epoch + step).to_vec()).collect()
        };
        let (first, second) = (epoch(&mut order, 0), epoch(&mut order, 1));
        assert_ne!(first, second);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        assert_eq!(epoch(&mut Order::new(10, 4, 7), 1), second, "a step must not depend on those before");
    }
}

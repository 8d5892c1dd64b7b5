use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;

use super::{ComputeError, Engine, PaddedBatch};
use crate::architectures::Rotary;

/// Where a text stands among the tokens of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its first place.
    pub(super) start: usize,
    /// Its places.
    pub(super) length: usize,
    /// Those of them that hold tokens: from, to.
    pub(super) valid: [usize; 2],
}

/// What the first position is; a difference where texts are padded on the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    /// The first place, padding or not.
    OfPlaces,
    /// The first token, as in `RoBERTa`.
    OfTokens,
}

/// The tokens of a batch, one text behind the other: training does not compute padding at all.
#[derive(Clone, Debug)]
pub struct PackedBatch {
    pub(super) rows: Arc<[Row]>,
    pub(super) ids: Vec<u32>,
    pub(super) segments: Vec<u32>,
    /// The position of each token: its place in the padded batch, or among the tokens of its text.
    pub(super) places: Vec<u32>,
    turns: Arc<Mutex<Vec<KnownTurns>>>,
}

/// Cosines and sines of the positions of a batch, which all layers and both ways share.
type KnownTurns = (Rotary, [Tensor; 2]);

impl PackedBatch {
    /// Without padding, and with the positions of a family.
    #[must_use]
    pub fn new(batch: &PaddedBatch, positions: Positions) -> Self {
        Self::of(batch, positions, false)
    }

    /// With it, so that the hidden states are [rows, length, width].
    #[must_use]
    pub fn with_padding(batch: &PaddedBatch, positions: Positions) -> Self {
        Self::of(batch, positions, true)
    }

    fn of(batch: &PaddedBatch, positions: Positions, padding: bool) -> Self {
        let mut packed = Self {
            rows: Arc::default(),
            ids: vec![],
            segments: vec![],
            places: vec![],
            turns: Arc::default(),
        };
        let mut rows = Vec::with_capacity(batch.rows);
        for (row, valid) in batch.valid.chunks_exact(batch.length.max(1)).enumerate() {
            let from = valid.iter().position(|&valid| valid).unwrap_or(0);
            let to = valid.iter().rposition(|&valid| valid).map_or(0, |last| last + 1);
            let kept = if padding { 0..batch.length } else { from..to };
            let start = packed.ids.len();
            let valid = [from - kept.start, to - kept.start];
            rows.push(Row { start, length: kept.len(), valid });
            let whole = row * batch.length;
            packed.ids.extend(&batch.ids[whole + kept.start..whole + kept.end]);
            packed.segments.extend(&batch.segments[whole + kept.start..whole + kept.end]);
            let before = if positions == Positions::OfTokens { from } else { 0 };
            let places = (0u32..).zip(0..batch.length).map(|(place, _)| place);
            // What stands before the first token is padding, whose position is never looked at.
            let padded = std::iter::repeat_n(0, before.saturating_sub(kept.start));
            packed
                .places
                .extend(padded.chain(places.skip(kept.start.saturating_sub(before))).take(kept.len()));
        }
        packed.rows = rows.into();
        packed
    }

    /// Cosines and sines of every position where the engine computes, [positions, half of a head's width].
    pub(super) fn turns(&self, rotary: &Rotary, engine: &Engine) -> Result<[Tensor; 2], ComputeError> {
        let mut known = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |(other, [table, _]): &&KnownTurns| {
            other == rotary && table.device().same_device(engine.device())
        };
        if let Some((_, tables)) = known.iter().find(is_it) {
            return Ok(tables.clone());
        }
        let (places, half) = (self.positions(), rotary.width / 2);
        let [cosines, sines] = rotary.tables(places);
        let tables = [engine.tensor(cosines, &[places, half])?, engine.tensor(sines, &[places, half])?];
        known.push((*rotary, tables.clone()));
        Ok(tables)
    }

    /// The last place of any row, plus one.
    pub(super) fn positions(&self) -> usize {
        self.places.iter().max().map_or(0, |&place| place as usize + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_left_out_and_positions_stay() {
        let texts: [(&[u32], &[u32]); 2] = [(&[1, 2, 3], &[0, 0, 1]), (&[4], &[1])];
        let batch = PaddedBatch::new(&texts, true).unwrap();
        let packed = PackedBatch::new(&batch, Positions::OfPlaces);
        assert_eq!((packed.ids, packed.places), (vec![1, 2, 3, 4], vec![0, 1, 2, 2]));
        assert_eq!(packed.rows[1], Row { start: 3, length: 1, valid: [0, 1] });
        let padded = PackedBatch::with_padding(&batch, Positions::OfTokens);
        assert_eq!(padded.places, [0, 1, 2, 0, 0, 0]);
        assert_eq!(PackedBatch::new(&batch, Positions::OfTokens).places, [0, 1, 2, 0]);
        assert_eq!(padded.ids, [1, 2, 3, 0, 0, 4]);
        assert_eq!(padded.rows[1], Row { start: 3, length: 3, valid: [2, 3] });
    }
}

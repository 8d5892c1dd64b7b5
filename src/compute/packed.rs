use std::sync::Arc;

use super::PaddedBatch;

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

/// The tokens of a batch, one text behind the other: training does not compute padding at all.
#[derive(Clone, Debug)]
pub struct PackedBatch {
    pub(super) rows: Arc<[Row]>,
    pub(super) ids: Vec<u32>,
    pub(super) segments: Vec<u32>,
    /// The position of each token as the padded batch has it.
    pub(super) places: Vec<u32>,
}

impl PackedBatch {
    /// Without padding.
    #[must_use]
    pub fn new(batch: &PaddedBatch) -> Self {
        Self::of(batch, false)
    }

    /// With it, so that the hidden states are [rows, length, width].
    #[must_use]
    pub fn with_padding(batch: &PaddedBatch) -> Self {
        Self::of(batch, true)
    }

    fn of(batch: &PaddedBatch, padding: bool) -> Self {
        let mut packed = Self { rows: Arc::default(), ids: vec![], segments: vec![], places: vec![] };
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
            packed.places.extend(
                (0u32..).zip(0..batch.length).map(|(place, _)| place).skip(kept.start).take(kept.len()),
            );
        }
        packed.rows = rows.into();
        packed
    }

    /// How many places there are.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.ids.len()
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
        let packed = PackedBatch::new(&batch);
        assert_eq!((packed.ids, packed.places), (vec![1, 2, 3, 4], vec![0, 1, 2, 2]));
        assert_eq!(packed.rows[1], Row { start: 3, length: 1, valid: [0, 1] });
        let padded = PackedBatch::with_padding(&batch);
        assert_eq!(padded.ids, [1, 2, 3, 0, 0, 4]);
        assert_eq!(padded.rows[1], Row { start: 3, length: 3, valid: [2, 3] });
    }
}

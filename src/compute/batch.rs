use super::ComputeError;

/// Texts of different lengths in one rectangle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaddedBatch {
    /// Texts.
    pub rows: usize,
    /// Places of each, padding included.
    pub length: usize,
    /// Token ids, row by row; 0 where padded.
    pub ids: Vec<u32>,
    /// Segments, row by row.
    pub segments: Vec<u32>,
    /// Whether a place holds a token.
    pub valid: Vec<bool>,
}

impl PaddedBatch {
    /// Puts texts beside each other; each comes with its segments, as many as tokens.
    ///
    /// # Errors
    /// `ComputeError::Batch` for no text, an empty one, or one with another number of segments.
    pub fn new(texts: &[(&[u32], &[u32])], pad_left: bool) -> Result<Self, ComputeError> {
        let length = texts.iter().map(|(ids, _)| ids.len()).max().unwrap_or(0);
        let mut batch =
            Self { rows: texts.len(), length, ids: Vec::new(), segments: Vec::new(), valid: Vec::new() };
        if texts.is_empty() {
            return Err(ComputeError::Batch("a batch without texts".to_owned()));
        }
        for (row, (ids, segments)) in texts.iter().enumerate() {
            if ids.is_empty() || ids.len() != segments.len() {
                let message = format!("text {row} has {} tokens and {} segments", ids.len(), segments.len());
                return Err(ComputeError::Batch(message));
            }
            let padding = length - ids.len();
            let (before, behind) = if pad_left { (padding, 0) } else { (0, padding) };
            let fill = |values: &mut Vec<u32>, own: &[u32]| {
                values.extend(std::iter::repeat_n(0, before));
                values.extend(own);
                values.extend(std::iter::repeat_n(0, behind));
            };
            fill(&mut batch.ids, ids);
            fill(&mut batch.segments, segments);
            batch.valid.extend((0..length).map(|place| place >= before && place < length - behind));
        }
        Ok(batch)
    }

    /// The place of the last token of each row.
    #[must_use]
    pub fn last_places(&self) -> Vec<usize> {
        let rows = self.valid.chunks_exact(self.length.max(1));
        rows.map(|row| row.iter().rposition(|&valid| valid).unwrap_or(0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_goes_to_the_side_that_is_asked_for() {
        let texts: [(&[u32], &[u32]); 2] = [(&[1, 2, 3], &[0, 0, 1]), (&[4], &[1])];
        let right = PaddedBatch::new(&texts, false).unwrap();
        assert_eq!(right.ids, [1, 2, 3, 4, 0, 0]);
        assert_eq!(right.last_places(), [2, 0]);
        let left = PaddedBatch::new(&texts, true).unwrap();
        assert_eq!(left.segments, [0, 0, 1, 0, 0, 1]);
        assert_eq!(left.last_places(), [2, 2]);
        assert!(PaddedBatch::new(&[(&[], &[])], false).is_err());
        assert!(PaddedBatch::new(&[], false).is_err());
    }
}

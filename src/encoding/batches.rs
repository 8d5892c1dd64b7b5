use serde::{Deserialize, Serialize};

/// The sequences of one battle, which always run together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// How many there are: two when both orders or both responses are read.
    pub sequences: usize,
    /// Tokens of the longest of them.
    pub longest: usize,
}

impl Row {
    /// The row of sequences of these lengths, in tokens.
    #[must_use]
    pub fn of(lengths: impl IntoIterator<Item = usize>) -> Self {
        lengths.into_iter().fold(Self { sequences: 0, longest: 0 }, |row, length| Self {
            sequences: row.sequences + 1,
            longest: row.longest.max(length),
        })
    }
}

/// Rows that run together, padded to one length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Places of its rows in the plan's input.
    pub rows: Vec<usize>,
    /// Sequences of all its rows.
    pub sequences: usize,
    /// Tokens of its longest sequence, to which the others are padded.
    pub longest: usize,
}

impl Batch {
    /// Tokens with padding.
    #[must_use]
    pub fn padded_tokens(&self) -> usize {
        self.sequences * self.longest
    }
}

/// Batches of rows of like length, longest first, so that memory runs out at once or never and the time
/// left is never underestimated. Each holds at most `budget` padded tokens; a row above that is alone.
///
/// The shapes depend only on the lengths, not on the order of rows; among equal rows the earlier comes first.
#[must_use]
pub fn plan(rows: &[Row], budget: usize) -> Vec<Batch> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&row| (std::cmp::Reverse((rows[row].longest, rows[row].sequences)), row));
    let mut batches: Vec<Batch> = Vec::new();
    for index in order {
        let row = rows[index];
        match batches.last_mut() {
            Some(batch) if (batch.sequences + row.sequences) * batch.longest <= budget => {
                batch.rows.push(index);
                batch.sequences += row.sequences;
            }
            _ => batches.push(Batch { rows: vec![index], sequences: row.sequences, longest: row.longest }),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_like_length_run_together_and_a_long_one_alone() {
        let rows = [5, 90, 6, 40].map(|longest| Row { sequences: 2, longest });
        let batches = plan(&rows, 100);
        let found: Vec<&[usize]> = batches.iter().map(|batch| batch.rows.as_slice()).collect();
        assert_eq!(found, [&[1][..], &[3], &[2, 0]]);
        assert_eq!(batches[0].padded_tokens(), 180);
        assert!(plan(&[], 10).is_empty());
    }
}

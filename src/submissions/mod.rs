//! Predictions -> the bytes of a submission, the doctor that checks such a file, and the log of what was
//! submitted.

pub mod correlation;
mod csv;
pub mod doctor;
mod lmsys;
pub mod log;
mod wsdm;

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::battle::{BattleId, Probabilities, Task};

/// The forms that competitions accept; both are judged by id, in any order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubmissionFormat {
    /// `id,winner_model_a,winner_model_b,winner_tie`: three probabilities, judged by log loss.
    Lmsys,
    /// `id,winner` with `model_a` or `model_b`, judged by accuracy.
    Wsdm,
}

/// A submission could not be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SubmissionError {
    /// Predictions and expected ids are not the same set.
    #[error(
        "the predictions do not fit the expected ids: {missing} of {expected} have no prediction{}, {extra} \
         predictions belong to no expected id{}; predict the file that is submitted",
        example(first_missing.as_ref()),
        example(first_extra.as_ref())
    )]
    Ids {
        /// How many ids are expected.
        expected: usize,
        /// How many of them have no prediction.
        missing: usize,
        /// The first of those.
        first_missing: Option<BattleId>,
        /// How many predictions are for other ids.
        extra: usize,
        /// The first of those.
        first_extra: Option<BattleId>,
    },
    /// One id stands twice.
    #[error("id `{id}` stands twice among the {what}; each row needs an id of its own")]
    Repeated {
        /// The id.
        id: BattleId,
        /// Where: `predictions` or `expected ids`.
        what: &'static str,
    },
    /// The floor cannot be printed or leaves no room.
    #[error("the floor `{floor}` is not in 1e-8..0.1, the range that eight printed digits can keep")]
    Floor {
        /// What was asked for.
        floor: f64,
    },
}

fn example(id: Option<&BattleId>) -> String {
    id.map_or_else(String::new, |id| format!(" (the first is `{id}`)"))
}

/// The least probability that is printed unless told otherwise: a row that goes wrong costs at most
/// 13.8 nats instead of the 36 of a printed zero, and a row that goes right loses at most 2e-6.
pub const DEFAULT_FLOOR: f64 = 1e-6;

impl SubmissionFormat {
    /// What the competition of a task takes.
    #[must_use]
    pub fn of_task(task: Task) -> Self {
        match task {
            Task::ThreeWay => Self::Lmsys,
            Task::TwoWay => Self::Wsdm,
        }
    }

    /// The header, in order.
    #[must_use]
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Lmsys => &["id", "winner_model_a", "winner_model_b", "winner_tie"],
            Self::Wsdm => &["id", "winner"],
        }
    }

    /// The file as bytes, rows in the order given (see `in_order_of`).
    ///
    /// LMSYS rows print eight decimals that sum to exactly 1, both in decimal arithmetic and when read as
    /// f64 and added from left to right; no value is below `floor` (see `DEFAULT_FLOOR`). WSDM rows name
    /// the likelier winner; of two equal ones a hash of the id picks. The mass of a tie is ignored.
    ///
    /// # Errors
    /// `SubmissionError::Floor` for an LMSYS floor outside 1e-8..0.1, `Repeated` for an id that stands twice.
    pub fn write(self, rows: &[(BattleId, Probabilities)], floor: f64) -> Result<Vec<u8>, SubmissionError> {
        index(rows.iter().map(|(id, _)| id), "predictions")?;
        let mut text = self.columns().join(",");
        text.push('\n');
        match self {
            Self::Lmsys => lmsys::write(rows, floor, &mut text)?,
            Self::Wsdm => wsdm::write(rows, &mut text),
        }
        Ok(text.into_bytes())
    }
}

impl fmt::Display for SubmissionFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Lmsys => "LMSYS",
            Self::Wsdm => "WSDM",
        })
    }
}

/// The predictions in the order of the expected ids (those of the sample submission, or of the test file).
///
/// # Errors
/// `SubmissionError` when the two are not the same set of ids, or an id stands twice.
pub fn in_order_of(
    order: &[BattleId],
    predictions: &[(BattleId, Probabilities)],
) -> Result<Vec<(BattleId, Probabilities)>, SubmissionError> {
    let expected = index(order.iter(), "expected ids")?;
    let found = index(predictions.iter().map(|(id, _)| id), "predictions")?;
    let missing: Vec<&BattleId> = order.iter().filter(|id| !found.contains_key(id)).collect();
    let extra: Vec<&BattleId> =
        predictions.iter().map(|(id, _)| id).filter(|id| !expected.contains_key(id)).collect();
    if !missing.is_empty() || !extra.is_empty() {
        return Err(SubmissionError::Ids {
            expected: order.len(),
            missing: missing.len(),
            first_missing: missing.first().copied().cloned(),
            extra: extra.len(),
            first_extra: extra.first().copied().cloned(),
        });
    }
    Ok(order.iter().filter_map(|id| found.get(id)).map(|row| predictions[*row].clone()).collect())
}

/// The ids of a sample submission, in its order; `None` where the bytes hold no column `id`.
#[must_use]
pub fn ids_of_sample(bytes: &[u8]) -> Option<Vec<BattleId>> {
    let parsed = csv::parse(&String::from_utf8_lossy(bytes));
    let column = parsed.header.iter().position(|name| name.trim() == "id")?;
    Some(
        parsed
            .records
            .into_iter()
            .filter_map(|record| record.into_iter().nth(column))
            .map(BattleId)
            .collect(),
    )
}

fn index<'a>(
    ids: impl Iterator<Item = &'a BattleId>,
    what: &'static str,
) -> Result<HashMap<&'a BattleId, usize>, SubmissionError> {
    let mut rows = HashMap::new();
    for (row, id) in ids.enumerate() {
        if rows.insert(id, row).is_some() {
            return Err(SubmissionError::Repeated { id: id.clone(), what });
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, values: [f64; 3]) -> (BattleId, Probabilities) {
        (BattleId(id.to_owned()), Probabilities::new(values).unwrap())
    }

    #[test]
    fn rows_come_in_the_expected_order_and_a_mismatch_is_counted() {
        let predictions = [row("2", [0.5, 0.25, 0.25]), row("1", [0.25, 0.5, 0.25])];
        let order = ["1", "2"].map(|id| BattleId(id.to_owned()));
        let sorted = in_order_of(&order, &predictions).unwrap();
        let text = String::from_utf8(SubmissionFormat::Lmsys.write(&sorted, DEFAULT_FLOOR).unwrap()).unwrap();
        assert_eq!(
            text,
            "id,winner_model_a,winner_model_b,winner_tie\n\
             1,0.25000000,0.50000000,0.25000000\n2,0.50000000,0.25000000,0.25000000\n"
        );
        let other = ["1", "3", "4"].map(|id| BattleId(id.to_owned()));
        let error = in_order_of(&other, &predictions).unwrap_err().to_string();
        assert!(error.contains("2 of 3") && error.contains("`3`") && error.contains("`2`"), "{error}");
    }

    #[test]
    fn an_id_that_stands_twice_is_refused() {
        let rows = [row("7", [0.5, 0.25, 0.25]), row("7", [0.25, 0.5, 0.25])];
        assert!(SubmissionFormat::Wsdm.write(&rows, DEFAULT_FLOOR).is_err());
        assert!(in_order_of(&[BattleId("7".to_owned())], &rows).is_err());
    }

    #[test]
    fn the_ids_of_a_sample_are_read_whatever_its_other_columns() {
        let ids = ids_of_sample(b"id,winner\n\"a,b\",model_a\nc,model_b\n").unwrap();
        assert_eq!(ids, ["a,b", "c"].map(|id| BattleId(id.to_owned())));
        assert!(ids_of_sample(b"key,winner\n1,model_a\n").is_none());
    }
}

use serde::{Deserialize, Serialize};

use super::{BattleId, GroupId, Probabilities, Target};

/// A prediction next to what it should have been.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored<T = Probabilities> {
    /// The key of the row.
    pub id: BattleId,
    /// The rows that are resampled together with this one.
    pub group: GroupId,
    /// The fold that held the row out, where there were folds.
    pub fold: Option<u32>,
    /// What was predicted.
    pub prediction: T,
    /// What it should have been.
    pub target: Target,
}

/// How predictions came to be on rows that the predictor never saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Provenance {
    /// We held the rows out ourselves, fold by fold.
    CrossFitted {
        /// The number of folds whose rows are here.
        folds: u32,
    },
    /// One of our runs predicted a file that it was not trained on, checked by content.
    Imported {
        /// The run.
        run: String,
    },
    /// Somebody says that the predictor never saw these rows; nobody checked.
    Declared {
        /// The file of predictions.
        file: String,
    },
}

/// Predictions on battles that the predictor never saw. Calibrators accept nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOut<T = Probabilities> {
    rows: Vec<Scored<T>>,
    provenance: Provenance,
}

impl<T> HeldOut<T> {
    /// Only the makers of held-out predictions call this: `validation`, and the readers of files
    /// that somebody declares to be held out.
    pub(crate) fn new(rows: Vec<Scored<T>>, provenance: Provenance) -> Self {
        Self { rows, provenance }
    }

    /// Predictions of a file from outside, on somebody's word that they are held out.
    #[must_use]
    pub fn declared(rows: Vec<Scored<T>>, file: &str) -> Self {
        Self::new(rows, Provenance::Declared { file: file.to_owned() })
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[Scored<T>] {
        &self.rows
    }

    /// Where they come from.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// The same rows with another prediction, which was made without looking at the row's target.
    pub(crate) fn map<U>(&self, mut prediction: impl FnMut(usize, &Scored<T>) -> U) -> HeldOut<U> {
        let rows = self.rows.iter().enumerate().map(|(row, scored)| Scored {
            id: scored.id.clone(),
            group: scored.group.clone(),
            fold: scored.fold,
            prediction: prediction(row, scored),
            target: scored.target,
        });
        HeldOut { rows: rows.collect(), provenance: self.provenance.clone() }
    }
}

use super::Groups;
use crate::battle::{BattleId, HeldOut, Scored, Target};

/// Held-out rows as columns in canonical order (by id), so that the order of a file changes no bit of
/// any sum over them.
#[derive(Clone, Debug)]
pub struct Columns<T> {
    /// The keys, ascending.
    pub ids: Vec<BattleId>,
    /// What was predicted.
    pub predictions: Vec<T>,
    /// What it should have been.
    pub targets: Vec<Target>,
    /// What is resampled together.
    pub groups: Groups,
    /// The fold that held each row out.
    pub folds: Vec<Option<u32>>,
}

impl<T: Clone> Columns<T> {
    /// The columns of held-out rows.
    #[must_use]
    pub fn new(held_out: &HeldOut<T>) -> Self {
        let mut rows: Vec<&Scored<T>> = held_out.rows().iter().collect();
        rows.sort_by(|one, other| one.id.cmp(&other.id));
        Self {
            ids: rows.iter().map(|row| row.id.clone()).collect(),
            predictions: rows.iter().map(|row| row.prediction.clone()).collect(),
            targets: rows.iter().map(|row| row.target).collect(),
            groups: Groups::new(rows.iter().map(|row| &row.group)),
            folds: rows.iter().map(|row| row.fold).collect(),
        }
    }

    /// Some of the rows, in the order given.
    #[must_use]
    pub fn subset(&self, rows: &[usize]) -> Self {
        Self {
            ids: rows.iter().map(|row| self.ids[*row].clone()).collect(),
            predictions: rows.iter().map(|row| self.predictions[*row].clone()).collect(),
            targets: rows.iter().map(|row| self.targets[*row]).collect(),
            groups: self.groups.subset(rows),
            folds: rows.iter().map(|row| self.folds[*row]).collect(),
        }
    }

    /// The same rows with other predictions, one a row.
    #[must_use]
    pub fn with<U>(&self, predictions: Vec<U>) -> Columns<U> {
        Columns {
            ids: self.ids.clone(),
            predictions,
            targets: self.targets.clone(),
            groups: self.groups.clone(),
            folds: self.folds.clone(),
        }
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

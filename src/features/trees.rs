use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::measure::Facts;
use super::registry::{Numbers, Registry};
use super::{FeatureGroup, FeatureSet};
use crate::battle::Battle;

/// Raw values for trees, which find products and bends by themselves.
///
/// The columns stand in four blocks: differences A less B, values of A, the same values of B, and
/// numbers of the whole battle. An exchange of the sides turns the signs of the first block and
/// exchanges the next two, without a look at any text.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeRows {
    values: Array2<f32>,
    differences: usize,
    sides: usize,
}

impl TreeRows {
    /// One row a battle, one finite `f32` a column, row-major.
    #[must_use]
    pub fn values(&self) -> &Array2<f32> {
        &self.values
    }

    /// The rows of the battles with their sides exchanged; equal, bit for bit, to counting the
    /// exchanged battles.
    #[must_use]
    pub fn swapped(&self) -> Self {
        let mut swapped = self.clone();
        let (first, middle) = (self.differences, self.differences + self.sides);
        for mut row in swapped.values.axis_iter_mut(Axis(0)) {
            // Not a sign flip: the difference of equal values is +0 in both orders.
            row.iter_mut().take(first).for_each(|value| *value = 0.0 - *value);
            for offset in 0..self.sides {
                row.swap(first + offset, middle + offset);
            }
        }
        swapped
    }
}

/// Where the values of a tree column come from.
struct TreeColumns {
    differences: Vec<usize>,
    sides: Vec<usize>,
    shared: Vec<usize>,
    names: Vec<String>,
}

impl TreeColumns {
    fn of(groups: &[FeatureGroup]) -> Self {
        let registry = Registry::get();
        let measures =
            || groups.iter().flat_map(|group| registry.measures(*group).map(|found| (*group, found)));
        let shared = || groups.iter().flat_map(|group| registry.shared(*group).map(|found| (*group, found)));
        let named =
            |group: FeatureGroup, name: &str, suffix: &str| format!("{}.{name}{suffix}", group.name());
        let both = || measures().filter(|(_, (_, measure))| measure.even);
        let names = measures()
            .map(|(group, (_, measure))| named(group, measure.name, "_difference"))
            .chain(both().map(|(group, (_, measure))| named(group, measure.name, "_a")))
            .chain(both().map(|(group, (_, measure))| named(group, measure.name, "_b")))
            .chain(shared().map(|(group, (_, shared))| named(group, shared.name, "")))
            .collect();
        Self {
            differences: measures().map(|(_, (place, _))| place).collect(),
            sides: both().map(|(_, (place, _))| place).collect(),
            shared: shared().map(|(_, (place, _))| place).collect(),
            names,
        }
    }

    fn values<'a>(&'a self, numbers: &'a Numbers) -> impl Iterator<Item = f64> + 'a {
        let differences = self.differences.iter().map(|place| numbers.a[*place] - numbers.b[*place]);
        let a = self.sides.iter().map(|place| numbers.a[*place]);
        let b = self.sides.iter().map(|place| numbers.b[*place]);
        differences.chain(a).chain(b).chain(self.shared.iter().map(|place| numbers.shared[*place]))
    }
}

impl FeatureSet {
    /// The names of the columns of `extract_for_trees`.
    #[must_use]
    pub fn tree_columns(&self) -> Vec<String> {
        TreeColumns::of(&self.groups).names
    }

    /// Raw values of both sides, for trees; rows are computed in parallel, each from its battle alone.
    #[must_use]
    pub fn extract_for_trees(&self, battles: &[&Battle]) -> TreeRows {
        let columns = TreeColumns::of(&self.groups);
        let mut values = Array2::zeros((battles.len(), columns.names.len()));
        let cells = values.as_slice_mut().unwrap_or_default();
        cells.par_chunks_mut(columns.names.len().max(1)).zip(battles).for_each(|(row, battle)| {
            let numbers = Registry::get().numbers(&Facts::of(battle));
            #[expect(
                clippy::cast_possible_truncation,
                reason = "trees only compare; single precision is enough"
            )]
            row.iter_mut().zip(columns.values(&numbers)).for_each(|(cell, value)| *cell = value as f32);
        });
        TreeRows { values, differences: columns.differences.len(), sides: columns.sides.len() }
    }
}

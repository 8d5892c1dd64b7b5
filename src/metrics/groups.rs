use std::collections::BTreeMap;

use crate::battle::GroupId;

/// Which rows are resampled together: the number of each row's group, 0..count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    of_row: Vec<usize>,
    count: usize,
}

impl Groups {
    /// Numbers the groups in the order of their names, so that the order of the rows changes nothing.
    pub fn new<'a>(names: impl Iterator<Item = &'a GroupId>) -> Self {
        let names: Vec<&GroupId> = names.collect();
        let mut numbers: BTreeMap<&GroupId, usize> = names.iter().map(|name| (*name, 0)).collect();
        for (number, value) in numbers.values_mut().enumerate() {
            *value = number;
        }
        Self { of_row: names.iter().map(|name| numbers[name]).collect(), count: numbers.len() }
    }

    /// Every row on its own.
    #[must_use]
    pub fn of_single_rows(rows: usize) -> Self {
        Self { of_row: (0..rows).collect(), count: rows }
    }

    /// How many groups there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The group of each row.
    #[must_use]
    pub fn of_rows(&self) -> &[usize] {
        &self.of_row
    }

    /// Whether every row is a group of its own, so that rows are independent.
    #[must_use]
    pub fn are_single_rows(&self) -> bool {
        self.count == self.of_row.len()
    }

    /// The groups of some of the rows, numbered anew in the same order.
    #[must_use]
    pub fn subset(&self, rows: &[usize]) -> Self {
        let chosen: Vec<usize> = rows.iter().map(|row| self.of_row[*row]).collect();
        let mut numbers = vec![usize::MAX; self.count];
        for group in &chosen {
            numbers[*group] = 0;
        }
        let mut count = 0;
        for number in numbers.iter_mut().filter(|number| **number == 0) {
            *number = count;
            count += 1;
        }
        Self { of_row: chosen.into_iter().map(|group| numbers[group]).collect(), count }
    }

    /// The sum of `values` in every group, added in the order of the rows.
    #[must_use]
    pub fn sums(&self, values: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.count];
        for (group, value) in self.of_row.iter().zip(values) {
            sums[*group] += value;
        }
        sums
    }

    /// How many rows each group has.
    #[must_use]
    pub fn sizes(&self) -> Vec<f64> {
        self.sums(&vec![1.0; self.of_row.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_numbered_by_name_and_a_subset_keeps_the_order() {
        let names = ["b", "a", "c", "b"].map(|name| GroupId(name.to_owned()));
        let groups = Groups::new(names.iter());
        assert_eq!(groups.of_rows(), [1, 0, 2, 1]);
        assert_eq!(groups.sums(&[1.0, 2.0, 3.0, 4.0]), [2.0, 5.0, 3.0]);
        let subset = groups.subset(&[2, 0]);
        assert_eq!((subset.of_rows(), subset.count()), ([1, 0].as_slice(), 2));
    }
}

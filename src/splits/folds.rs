use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::distribute::distribute;
use super::{GroupedRow, SplitError};

/// One fold: positions of the rows that are learned from and of those that are held out, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The number of the fold, as the assignment has it.
    pub number: u32,
    /// Rows of all other folds.
    pub train: Vec<usize>,
    /// Rows of this fold.
    pub held_out: Vec<usize>,
}

/// The fold, 0..`folds`, of each row: no group in two folds, sizes as even as moving one group or
/// exchanging two can make them, classes spread evenly as far as that allows.
///
/// The same for any order of the rows; another seed gives another assignment where the groups admit one.
///
/// # Errors
/// `SplitError` without rows, with fewer than two folds, or with fewer groups than folds.
pub fn assign(rows: &[GroupedRow<'_>], folds: u32, seed: u64) -> Result<Vec<u32>, SplitError> {
    if folds < 2 {
        return Err(SplitError::TooFewFolds { folds });
    }
    if rows.is_empty() {
        return Err(SplitError::NoRows);
    }
    let parts = folds as usize;
    // More parts than rows must not become an allocation of that size.
    if parts > rows.len() {
        let mut groups: Vec<_> = rows.iter().map(|row| row.group).collect();
        groups.sort_unstable();
        groups.dedup();
        return Err(SplitError::TooFewGroups { rows: rows.len(), groups: groups.len(), parts });
    }
    let mut assignment = distribute(rows, &vec![1.0 / f64::from(folds); parts], seed)?;
    // The largest group is dealt first and to the first part: no number of a fold may mean that.
    let mut numbers: Vec<u32> = (0..folds).collect();
    numbers.shuffle(&mut ChaCha8Rng::seed_from_u64(seed ^ NUMBERING));
    for fold in &mut assignment {
        *fold = numbers[*fold as usize];
    }
    Ok(assignment)
}

/// Keeps the numbering of folds apart from the dealing of groups under one seed.
const NUMBERING: u64 = 0x6e75_6d62_6572_0001;

/// The folds of an assignment, in ascending order of their numbers.
#[must_use]
pub fn folds(assignment: &[u32]) -> Vec<Fold> {
    let mut numbers = assignment.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    let fold_of = |number: u32| {
        let (held_out, train) = (0..assignment.len()).partition(|row| assignment[*row] == number);
        Fold { number, train, held_out }
    };
    numbers.into_iter().map(fold_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::{BattleId, Class, GroupId, Target};

    struct Rows(Vec<(BattleId, GroupId, Target)>);

    impl Rows {
        /// Groups of the given sizes, classes in turn.
        fn of_sizes(sizes: &[usize]) -> Self {
            let mut rows = Vec::new();
            for (group, size) in sizes.iter().enumerate() {
                for row in 0..*size {
                    let class = Class::ALL[(row + group) % 3];
                    let id = BattleId(format!("{group}-{row}"));
                    rows.push((id, GroupId(format!("group {group}")), Target::one_hot(class)));
                }
            }
            Self(rows)
        }

        fn grouped(&self) -> Vec<GroupedRow<'_>> {
            self.0.iter().map(|(id, group, target)| GroupedRow { id, group, target: *target }).collect()
        }
    }

    fn sizes(assignment: &[u32]) -> Vec<usize> {
        let mut sizes: Vec<usize> = folds(assignment).iter().map(|fold| fold.held_out.len()).collect();
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn few_uneven_groups_become_folds_as_even_as_they_can() {
        let rows = Rows::of_sizes(&[900, 500, 400, 300, 300, 200, 200, 100, 50, 50]);
        for seed in 0..20 {
            let assignment = assign(&rows.grouped(), 3, seed).unwrap();
            assert_eq!(sizes(&assignment), [1000, 1000, 1000], "seed {seed}");
        }
    }

    #[test]
    fn thirteen_prompts_of_seven_hundred_rows_are_dealt_three_three_three_two_two() {
        let rows = Rows::of_sizes(&[724, 722, 709, 701, 701, 694, 694, 690, 688, 676, 654, 654, 624]);
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..10 {
            let assignment = assign(&rows.grouped(), 5, seed).unwrap();
            let sizes = sizes(&assignment);
            assert!(sizes[1] <= 1450 && sizes[4] <= 2100, "{sizes:?}");
            seen.insert(assignment);
        }
        assert!(seen.len() > 5, "seeds must lead to different folds, here {}", seen.len());
    }

    #[test]
    fn rows_alone_in_their_groups_are_stratified_to_the_row() {
        let rows = Rows::of_sizes(&[1; 1003]);
        let assignment = assign(&rows.grouped(), 5, 3).unwrap();
        assert_eq!(sizes(&assignment), [200, 200, 201, 201, 201]);
        for class in Class::ALL {
            let mut counts = [0_usize; 5];
            for (row, fold) in rows.0.iter().zip(&assignment) {
                counts[*fold as usize] += usize::from(row.2.class() == Some(class));
            }
            assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 2, "{counts:?}");
        }
    }

    #[test]
    fn one_giant_group_leaves_no_fold_empty() {
        let rows = Rows::of_sizes(&[5000, 1, 1, 1, 1]);
        assert_eq!(sizes(&assign(&rows.grouped(), 5, 0).unwrap()), [1, 1, 1, 1, 5000]);
    }

    #[test]
    fn impossible_wishes_are_refused_with_the_reason() {
        let rows = Rows::of_sizes(&[30, 30]);
        let grouped = rows.grouped();
        let error = assign(&grouped, 3, 0).unwrap_err();
        assert_eq!(error, SplitError::TooFewGroups { rows: 60, groups: 2, parts: 3 });
        assert!(error.to_string().contains("60 rows in 2 groups"), "{error}");
        assert_eq!(assign(&grouped, u32::MAX, 0).unwrap_err().to_string().matches("2 groups").count(), 1);
        assert_eq!(assign(&grouped, 1, 0), Err(SplitError::TooFewFolds { folds: 1 }));
        assert_eq!(assign(&[], 2, 0), Err(SplitError::NoRows));
    }
}

use super::distribute::distribute;
use super::{GroupedRow, SplitError};

/// Which rows one grouped hold-out keeps back (`true`), for choices inside a fit such as early stopping.
///
/// About `share` of the rows and of each class; no group on both sides; at least one group on each.
/// With few groups the share can be missed by as much as half of one of them. The same for any order
/// of the rows.
///
/// # Errors
/// `SplitError` when `share` is not between 0 and 1, or there are fewer than two groups.
pub fn hold_out(rows: &[GroupedRow<'_>], share: f64, seed: u64) -> Result<Vec<bool>, SplitError> {
    if !(share > 0.0 && share < 1.0) {
        return Err(SplitError::NotAShare { share });
    }
    let parts = distribute(rows, &[share, 1.0 - share], seed)?;
    Ok(parts.into_iter().map(|part| part == 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::{BattleId, Class, GroupId, Target};

    fn held(sizes: &[usize], share: f64, seed: u64) -> Result<Vec<bool>, SplitError> {
        let id = BattleId("row".to_owned());
        let names: Vec<GroupId> = (0..sizes.len()).map(|group| GroupId(format!("{group}"))).collect();
        let rows: Vec<GroupedRow<'_>> = names
            .iter()
            .zip(sizes)
            .flat_map(|(group, size)| vec![group; *size])
            .enumerate()
            .map(|(row, group)| GroupedRow { id: &id, group, target: Target::one_hot(Class::ALL[row % 3]) })
            .collect();
        hold_out(&rows, share, seed)
    }

    #[test]
    fn the_share_is_met_where_groups_are_small() {
        let sizes: Vec<usize> = (0..400).map(|group| 1 + group % 7).collect();
        let rows: usize = sizes.iter().sum();
        for share in [0.05, 0.1, 0.5, 0.9] {
            let kept = held(&sizes, share, 1).unwrap().into_iter().filter(|held| *held).count();
            assert!((kept as f64 - share * rows as f64).abs() <= 1.0, "{share}: {kept} of {rows}");
        }
    }

    #[test]
    fn two_groups_are_enough_and_one_is_not() {
        let held_rows = held(&[990, 10], 0.1, 0).unwrap();
        assert_eq!(held_rows.iter().filter(|held| **held).count(), 10);
        assert!(matches!(held(&[100], 0.5, 0), Err(SplitError::TooFewGroups { groups: 1, parts: 2, .. })));
        for share in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(matches!(held(&[5, 5], share, 0), Err(SplitError::NotAShare { .. })));
        }
    }

    #[test]
    fn large_groups_are_held_out_too() {
        let mut sizes = vec![40; 20];
        sizes.extend([1; 200]);
        let mut large = 0;
        for seed in 0..10 {
            large += held(&sizes, 0.2, seed).unwrap()[..800].iter().filter(|held| **held).count();
        }
        assert!(
            (1000..2200).contains(&large),
            "a fifth of 8,000 rows in large groups is 1,600, here {large}"
        );
    }
}

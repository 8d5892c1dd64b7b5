#![expect(clippy::unwrap_used, reason = "this is test code throughout")]

use proptest::prelude::*;
use tiebreak::battle::{BattleId, GroupId, Target};
use tiebreak::splits::{GroupedRow, assign, folds, from_assignments, hold_out};

#[derive(Clone, Debug)]
struct Row {
    id: BattleId,
    group: GroupId,
    target: Target,
}

/// Rows in up to 40 groups of very different sizes, with hard and soft targets.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0_u32..1600, 0_u32..4, 0.0..1.0_f64);
    proptest::collection::vec(row, 2..300).prop_map(|drawn| {
        drawn
            .into_iter()
            .enumerate()
            .map(|(number, (group, class, share))| Row {
                id: BattleId(format!("row {number}")),
                // Squares make group 0 large and the last ones rare.
                group: GroupId(format!("group {}", f64::from(group).sqrt().floor())),
                target: match class {
                    0 => Target::new([1.0, 0.0, 0.0]).unwrap(),
                    1 => Target::new([0.0, 1.0, 0.0]).unwrap(),
                    2 => Target::new([0.0, 0.0, 1.0]).unwrap(),
                    _ => Target::new([share, 1.0 - share, 0.0]).unwrap(),
                },
            })
            .collect()
    })
}

fn grouped(rows: &[Row]) -> Vec<GroupedRow<'_>> {
    rows.iter().map(|row| GroupedRow { id: &row.id, group: &row.group, target: row.target }).collect()
}

fn n_groups(rows: &[Row]) -> usize {
    rows.iter().map(|row| &row.group).collect::<std::collections::BTreeSet<_>>().len()
}

/// The sum of squared deviations of the fold sizes from their mean.
fn unevenness(sizes: &[usize]) -> f64 {
    let mean = sizes.iter().sum::<usize>() as f64 / sizes.len() as f64;
    sizes.iter().map(|size| (*size as f64 - mean).powi(2)).sum()
}

proptest! {
    #[test]
    fn no_group_lies_in_two_folds_and_every_fold_holds_rows(rows in rows(), k in 2_u32..8, seed: u64) {
        let grouped = grouped(&rows);
        match assign(&grouped, k, seed) {
            Err(_) => prop_assert!(n_groups(&rows) < k as usize),
            Ok(assignment) => {
                let read: Vec<(BattleId, u32)> =
                    rows.iter().zip(&assignment).map(|(row, fold)| (row.id.clone(), *fold)).collect();
                prop_assert_eq!(from_assignments(&grouped, &read), Ok((assignment.clone(), 0)));
                let folds = folds(&assignment);
                prop_assert_eq!(folds.iter().map(|fold| fold.number).collect::<Vec<_>>(), (0..k).collect::<Vec<_>>());
                for fold in folds {
                    prop_assert_eq!(fold.train.len() + fold.held_out.len(), rows.len());
                    prop_assert!(fold.held_out.iter().all(|row| assignment[*row] == fold.number));
                }
            }
        }
    }

    #[test]
    fn the_order_of_the_rows_changes_nothing(rows in rows(), k in 2_u32..5, seed: u64, turn in 0_usize..300) {
        let mut turned: Vec<Row> = rows.clone();
        turned.reverse();
        turned.rotate_left(turn % rows.len());
        let by_id = |rows: &[Row], parts: Vec<u32>| {
            let mut pairs: Vec<_> = rows.iter().map(|row| row.id.clone()).zip(parts).collect();
            pairs.sort();
            pairs
        };
        if let Ok(assignment) = assign(&grouped(&rows), k, seed) {
            let other = assign(&grouped(&turned), k, seed).unwrap();
            prop_assert_eq!(by_id(&rows, assignment), by_id(&turned, other));
        }
        let number = |held: Vec<bool>| held.into_iter().map(u32::from).collect::<Vec<_>>();
        if let Ok(held) = hold_out(&grouped(&rows), 0.2, seed) {
            let other = hold_out(&grouped(&turned), 0.2, seed).unwrap();
            prop_assert_eq!(by_id(&rows, number(held)), by_id(&turned, number(other)));
        }
    }

    #[test]
    fn sizes_are_as_even_as_a_greedy_deal_from_large_to_small(rows in rows(), k in 2_usize..6, seed: u64) {
        let mut sizes = std::collections::BTreeMap::new();
        for row in &rows {
            *sizes.entry(&row.group).or_insert(0_usize) += 1;
        }
        prop_assume!(sizes.len() >= k);
        let mut sorted: Vec<usize> = sizes.into_values().collect();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        let mut greedy = vec![0_usize; k];
        for size in &sorted {
            *greedy.iter_mut().min().unwrap() += size;
        }
        let assignment = assign(&grouped(&rows), u32::try_from(k).unwrap(), seed).unwrap();
        let ours: Vec<usize> = folds(&assignment).iter().map(|fold| fold.held_out.len()).collect();
        // Classes may cost a little evenness: two rows a fold.
        prop_assert!(unevenness(&ours) <= unevenness(&greedy) + 4.0 * k as f64, "{ours:?} against {greedy:?}");
    }

    #[test]
    fn a_hold_out_keeps_groups_whole_and_both_sides_filled(rows in rows(), share in 0.01..0.99_f64, seed: u64) {
        if let Ok(held) = hold_out(&grouped(&rows), share, seed) {
            let mut side = std::collections::BTreeMap::new();
            for (row, held) in rows.iter().zip(&held) {
                prop_assert_eq!(*side.entry(&row.group).or_insert(*held), *held);
            }
            prop_assert!(side.values().any(|held| *held) && side.values().any(|held| !*held));
        } else {
            prop_assert_eq!(n_groups(&rows), 1);
        }
    }
}

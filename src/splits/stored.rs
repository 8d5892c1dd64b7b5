use std::collections::{BTreeMap, HashMap, HashSet};

use super::{GroupedRow, SplitError};
use crate::battle::BattleId;

/// How many ids of each kind a message names.
const EXAMPLES: usize = 3;

/// The fold of each row, taken from a stored assignment, and the number of groups that lie in more
/// than one fold; the caller warns of these, because scores across them are too good.
///
/// # Errors
/// `SplitError::OtherRows` when ids are missing, unknown or repeated, on either side;
/// `SplitError::TooFewFolds` when all rows are in one fold; `SplitError::NoRows` without rows.
pub fn from_assignments(
    rows: &[GroupedRow<'_>],
    read: &[(BattleId, u32)],
) -> Result<(Vec<u32>, usize), SplitError> {
    if rows.is_empty() {
        return Err(SplitError::NoRows);
    }
    let stored: HashMap<&BattleId, u32> = read.iter().map(|(id, fold)| (id, *fold)).collect();
    let known: HashSet<&BattleId> = rows.iter().map(|row| row.id).collect();
    let assignment: Vec<u32> = rows.iter().filter_map(|row| stored.get(row.id).copied()).collect();
    let mismatches: Vec<String> = [
        clause("rows have no fold", rows.iter().map(|row| row.id).filter(|id| !stored.contains_key(id))),
        clause("ids are no row of the file", read.iter().map(|(id, _)| id).filter(|id| !known.contains(id))),
        clause("ids have several folds", repeated(read.iter().map(|(id, _)| id))),
        clause("ids belong to several rows", repeated(rows.iter().map(|row| row.id))),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !mismatches.is_empty() {
        return Err(SplitError::OtherRows { mismatches });
    }
    if assignment.iter().all(|fold| *fold == assignment[0]) {
        return Err(SplitError::TooFewFolds { folds: 1 });
    }
    let divided = divided_groups(rows, &assignment);
    Ok((assignment, divided))
}

/// The ids that come more than once, each once.
fn repeated<'a>(ids: impl Iterator<Item = &'a BattleId>) -> impl Iterator<Item = &'a BattleId> {
    let mut counts: BTreeMap<&BattleId, usize> = BTreeMap::new();
    for id in ids {
        *counts.entry(id).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(id, _)| id)
}

/// `3 rows have no fold (`a`, `b`, ..)`, or nothing when there is none.
fn clause<'a>(what: &str, ids: impl Iterator<Item = &'a BattleId>) -> Option<String> {
    let ids: Vec<&BattleId> = ids.collect();
    if ids.is_empty() {
        return None;
    }
    let mut examples: Vec<String> = ids.iter().take(EXAMPLES).map(|id| format!("`{id}`")).collect();
    if ids.len() > EXAMPLES {
        examples.push("..".to_owned());
    }
    Some(format!("{} {what} ({})", ids.len(), examples.join(", ")))
}

fn divided_groups(rows: &[GroupedRow<'_>], assignment: &[u32]) -> usize {
    let mut fold_of = HashMap::new();
    let mut divided = HashSet::new();
    for (row, fold) in rows.iter().zip(assignment) {
        if *fold_of.entry(row.group).or_insert(*fold) != *fold {
            divided.insert(row.group);
        }
    }
    divided.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::{GroupId, Target};

    fn checked(rows: &[(&str, &str)], read: &[(&str, u32)]) -> Result<(Vec<u32>, usize), SplitError> {
        let rows: Vec<(BattleId, GroupId)> = rows
            .iter()
            .map(|(id, group)| (BattleId((*id).to_owned()), GroupId((*group).to_owned())))
            .collect();
        let target = Target::new([1.0, 0.0, 0.0]).unwrap();
        let grouped: Vec<GroupedRow<'_>> =
            rows.iter().map(|(id, group)| GroupedRow { id, group, target }).collect();
        let read: Vec<(BattleId, u32)> =
            read.iter().map(|(id, fold)| (BattleId((*id).to_owned()), *fold)).collect();
        from_assignments(&grouped, &read)
    }

    #[test]
    fn folds_are_found_by_id_and_divided_groups_counted() {
        let rows = [("a", "x"), ("b", "x"), ("c", "y"), ("d", "y"), ("e", "z")];
        let read = [("e", 7), ("d", 1), ("c", 1), ("b", 1), ("a", 7)];
        assert_eq!(checked(&rows, &read), Ok((vec![7, 1, 1, 1, 7], 1)));
    }

    #[test]
    fn every_kind_of_mismatch_is_named_with_its_count() {
        let rows = [("a", "x"), ("b", "x"), ("b", "y"), ("c", "y")];
        let read = [("a", 0), ("a", 1), ("b", 0), ("q", 1), ("r", 1), ("s", 1), ("t", 1)];
        let message = checked(&rows, &read).unwrap_err().to_string();
        for part in [
            "1 rows have no fold (`c`)",
            "4 ids are no row of the file (`q`, `r`, `s`, ..)",
            "1 ids have several folds (`a`)",
            "1 ids belong to several rows (`b`)",
            "tiebreak split",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn one_fold_is_no_assignment() {
        assert_eq!(
            checked(&[("a", "x"), ("b", "y")], &[("a", 2), ("b", 2)]),
            Err(SplitError::TooFewFolds { folds: 1 })
        );
        assert_eq!(checked(&[], &[]), Err(SplitError::NoRows));
    }
}

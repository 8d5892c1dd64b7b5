use std::collections::BTreeMap;

use crate::battle::{Probabilities, Target, Task};
use crate::metrics::Columns;

/// What one would predict for each row without reading it: the class shares of the other folds where
/// every row has a fold and there are several, else those of all rows.
///
/// One row's worth of equal shares is added, so that a class that is absent elsewhere stays possible.
#[must_use]
pub fn prior_predictions<T>(columns: &Columns<T>, task: Task) -> Vec<Probabilities> {
    let mut of_fold: BTreeMap<Option<u32>, [f64; 3]> = BTreeMap::new();
    let mut all = [0.0; 3];
    for (fold, target) in columns.folds.iter().zip(&columns.targets) {
        add(&mut all, *target);
        add(of_fold.entry(*fold).or_default(), *target);
    }
    let crossed = of_fold.len() > 1 && !of_fold.contains_key(&None);
    let of_row = |fold: &Option<u32>| {
        let own = of_fold.get(fold).filter(|_| crossed).copied().unwrap_or_default();
        shares([0, 1, 2].map(|class| all[class] - own[class]), task)
    };
    columns.folds.iter().map(of_row).collect()
}

fn add(sums: &mut [f64; 3], target: Target) {
    for (sum, share) in sums.iter_mut().zip(target.to_array()) {
        *sum += share;
    }
}

fn shares([a, b, tie]: [f64; 3], task: Task) -> Probabilities {
    let counts = match task {
        Task::ThreeWay => [a.max(0.0) + 1.0 / 3.0, b.max(0.0) + 1.0 / 3.0, tie.max(0.0) + 1.0 / 3.0],
        Task::TwoWay => [a.max(0.0) + 0.5, b.max(0.0) + 0.5, 0.0],
    };
    Probabilities::from_logits(counts.map(f64::ln)).unwrap_or(Probabilities::UNIFORM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::{BattleId, Class, GroupId, HeldOut, Scored};

    fn columns(rows: &[(Class, Option<u32>)]) -> Columns<()> {
        let scored = rows.iter().enumerate().map(|(row, (class, fold))| Scored {
            id: BattleId(row.to_string()),
            group: GroupId(row.to_string()),
            fold: *fold,
            prediction: (),
            target: Target::one_hot(*class),
        });
        Columns::new(&HeldOut::declared(scored.collect(), "rows"))
    }

    #[test]
    fn the_prior_of_a_fold_is_the_shares_of_the_others() {
        let rows = [(Class::A, Some(0)), (Class::A, Some(0)), (Class::B, Some(1)), (Class::Tie, Some(1))];
        let prior = prior_predictions(&columns(&rows), Task::ThreeWay);
        let p = prior[0].to_array();
        assert!((p[0] - 1.0 / 9.0).abs() < 1e-12 && (p[1] - 4.0 / 9.0).abs() < 1e-12, "{p:?}");
        assert!((prior[2].to_array()[0] - 7.0 / 9.0).abs() < 1e-12);
    }

    #[test]
    fn without_folds_it_is_the_shares_of_all_and_a_two_way_task_has_no_tie() {
        let rows = [(Class::A, None), (Class::A, None), (Class::B, None)];
        let prior = prior_predictions(&columns(&rows), Task::TwoWay)[0].to_array();
        assert!((prior[0] - 0.625).abs() < 1e-12 && prior[2] <= 0.0, "{prior:?}");
        let single = prior_predictions(&columns(&[(Class::A, Some(0)), (Class::B, Some(0))]), Task::ThreeWay);
        assert!((single[0].to_array()[0] - 4.0 / 9.0).abs() < 1e-12);
    }
}

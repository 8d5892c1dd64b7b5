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

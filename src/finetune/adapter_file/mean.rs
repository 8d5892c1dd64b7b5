use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::writing::{PeftConfig, Stored, Target, write};
use super::{FinetuneError, WRAPPED};
use crate::checkpoint::{Adapter, Delta, SavedWeight};
use crate::finetune::averaging::mean_of;

/// Writes the mean of the adapters of several fits as one adapter. The mean of K products is one product of the ranks
/// together: the A stand one above the other, the B side by side, each with its alpha / (rank K) in its numbers, so that
/// alpha is the rank of each map. A map that a fit does not adapt gets nothing from it. Weights that were trained whole,
/// as those of the head, are averaged number by number.
///
/// # Errors
/// `FinetuneError` for adapters that cannot be read or are for different classes, and files that cannot be written.
pub(in crate::finetune) fn save_mean_adapter(fits: &[PathBuf], folder: &Path) -> Result<(), FinetuneError> {
    let fits = fits.iter().map(|fit| Adapter::read(fit)).collect::<Result<Vec<_>, _>>()?;
    let other = || FinetuneError::Settings("the adapters of the fits are for different classes".to_owned());
    let first = fits.first().ok_or_else(other)?;
    if fits.iter().any(|fit| !are_alike(fit, first)) {
        return Err(other());
    }
    let modules: BTreeSet<&String> = fits.iter().flat_map(|fit| fit.modules.keys()).collect();
    let (mut stored, mut targets) = (Vec::new(), Vec::new());
    for module in modules {
        let parts: Vec<&Delta> = fits.iter().filter_map(|fit| fit.modules.get(module)).collect();
        let rank = parts.iter().map(|part| part.rank).sum();
        stored.extend(side_by_side(module, &parts, (rank, fits.len())));
        targets.push(Target { module: module.clone(), rank, alpha: rank as f64 });
    }
    for (name, SavedWeight { shape, .. }) in &first.saved {
        let of_fits: Vec<&[f32]> =
            fits.iter().filter_map(|fit| fit.saved.get(name)).map(|saved| &saved.values[..]).collect();
        stored.push(Stored {
            name: format!("{WRAPPED}{name}"),
            shape: shape.clone(),
            values: mean_of(&of_fits),
        });
    }
    let rank = most_frequent(targets.iter().map(|target| target.rank));
    let config = PeftConfig {
        task: first.task.clone(),
        rank,
        alpha: rank as f64,
        dropout: first.dropout,
        targets,
        saved_modules: first.saved_modules.clone(),
    };
    write(folder, (&stored, first.base), &config)
}

/// Whether two adapters differ in their numbers, ranks and maps alone.
fn are_alike(one: &Adapter, other: &Adapter) -> bool {
    let shapes = |fit: &Adapter| -> Vec<(String, Vec<usize>)> {
        fit.saved.iter().map(|(name, saved)| (name.clone(), saved.shape.clone())).collect()
    };
    one.task == other.task && one.saved_modules == other.saved_modules && shapes(one) == shapes(other)
}

/// The adapters of one module as one, a share of `1 / fits` each.
#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
fn side_by_side(module: &str, parts: &[&Delta], (rank, fits): (usize, usize)) -> [Stored; 2] {
    let inputs = parts.first().map_or(0, |part| part.inputs);
    let outputs = parts.first().map_or(0, |part| part.b.len() / part.rank.max(1));
    let a = parts.iter().flat_map(|part| part.a.iter().copied()).collect();
    let mut b = Vec::with_capacity(outputs * rank);
    for row in 0..outputs {
        for part in parts {
            let factor = part.scaling / fits as f64;
            let of_row = &part.b[row * part.rank..][..part.rank];
            b.extend(of_row.iter().map(|value| (f64::from(*value) * factor) as f32));
        }
    }
    let stored =
        |part, shape, values| Stored { name: format!("{WRAPPED}{module}.{part}.weight"), shape, values };
    [stored("lora_A", vec![rank, inputs], a), stored("lora_B", vec![outputs, rank], b)]
}

/// Of equally frequent ranks the smallest; 1 where there is none.
fn most_frequent(ranks: impl Iterator<Item = usize>) -> usize {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for rank in ranks {
        *counts.entry(rank).or_default() += 1;
    }
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(1, |(rank, _)| rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_several_ranks_are_one_product_of_their_mean() {
        let one = Delta { inputs: 2, rank: 1, a: vec![1.0, 2.0], b: vec![3.0, -1.0], scaling: 2.0 };
        let other = Delta {
            inputs: 2,
            rank: 2,
            a: vec![1.0, 0.0, 0.0, 1.0],
            b: vec![1.0, 2.0, 3.0, 4.0],
            scaling: 1.0,
        };
        let [a, b] = side_by_side("m", &[&one, &other], (3, 2));
        assert_eq!((a.name.as_str(), &a.shape[..]), ("base_model.model.m.lora_A.weight", &[3, 2][..]));
        assert_eq!((b.shape, b.values.clone()), (vec![2, 3], vec![3.0, 0.5, 1.0, -1.0, 1.5, 2.0]));
        let mut found = [0.0; 4];
        Delta { inputs: 2, rank: 3, a: a.values, b: b.values, scaling: 1.0 }.add_to(&mut found);
        let mut expected = [0.0; 4];
        for part in [one, other] {
            part.add_to(&mut expected);
        }
        assert_eq!(found, expected.map(|value: f32| value / 2.0));
    }

    #[test]
    fn most_modules_need_no_rank_of_their_own() {
        assert_eq!(most_frequent([4, 8, 8, 4, 2].into_iter()), 4);
        assert_eq!(most_frequent([].into_iter()), 1);
    }
}

//! Soft labels that depend on the fold that is held out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::data::Prepared;
use crate::battle::{BattleId, LabeledBattle};
use crate::commands::BadInput;
use crate::config::FinalFit;
use crate::validation::FoldTargets;

/// Soft labels of one file that depend on the fold that is held out.
pub(super) struct FoldSource {
    pub(super) targets: BTreeMap<BattleId, FoldTargets>,
    pub(super) file: FoldLabels,
}

impl FoldSource {
    /// Of all labels of a file those of these rows.
    pub(super) fn of(
        (file, run): (&Path, Option<String>),
        mut targets: BTreeMap<BattleId, FoldTargets>,
        rows: &[LabeledBattle],
    ) -> Self {
        let file = FoldLabels {
            name: file.display().to_string(),
            run,
            folds: targets.values().flat_map(|targets| targets.folds.keys().copied()).collect(),
            has_all: targets.values().any(|targets| targets.all.is_some()),
        };
        let own: BTreeSet<&BattleId> = rows.iter().map(|row| &row.battle.id).collect();
        targets.retain(|id, _| own.contains(id));
        Self { targets, file }
    }
}

/// A file of such labels.
pub(super) struct FoldLabels {
    /// Its name.
    name: String,
    /// The run that labelled, where that is known.
    run: Option<String>,
    /// The folds that it has labels for.
    folds: BTreeSet<u32>,
    /// Whether it has labels for a fit on all rows.
    has_all: bool,
}

/// How many of these rows each fit has a label for; nothing where no label depends on a fold.
pub(super) fn describe(by_fold: &BTreeMap<BattleId, FoldTargets>) -> String {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for fold in by_fold.values().flat_map(|targets| targets.folds.keys()) {
        *counts.entry(*fold).or_default() += 1;
    }
    let all = by_fold.values().filter(|targets| targets.all.is_some()).count();
    let of_folds = counts.iter().map(|(fold, count)| format!("{count} for the fit without fold {fold}"));
    let of_all = (all > 0).then(|| format!("{all} for one on all rows"));
    let parts: Vec<String> = of_folds.chain(of_all).collect();
    if parts.is_empty() { String::new() } else { format!("; labels: {}", parts.join(", ")) }
}

/// A row that is validated on has one label, whatever a column `fold` says of it.
pub(super) fn check_single(file: &Path, by_fold: &BTreeMap<BattleId, FoldTargets>) -> anyhow::Result<()> {
    let count = |targets: &FoldTargets| targets.folds.len() + usize::from(targets.all.is_some());
    match by_fold.iter().find(|(_, targets)| count(targets) > 1) {
        None => Ok(()),
        Some((id, _)) => Err(BadInput(format!(
            "`{}` has labels of several folds for battle `{id}`, which is validated on; only rows of `role = \"extra\"` have \
             a label for each fold",
            file.display()
        ))
        .into()),
    }
}

/// Every fold that is trained must have labels that were made without it, and a fit on all rows those of its own.
///
/// # Errors
/// As bad input names the first fold that has none.
pub(super) fn check_folds(prepared: &Prepared, final_fit: FinalFit) -> anyhow::Result<()> {
    for FoldLabels { name, run, folds, has_all } in &prepared.fold_labels {
        if final_fit == FinalFit::Refit && !has_all {
            return Err(BadInput(format!(
                "`{name}` has labels for folds alone; the final fit learns from rows with an empty `fold`: add them, or set \
                 `final.fit` to `fold_mean`"
            ))
            .into());
        }
        let missing = prepared.folds.iter().find(|fold| !folds.contains(&fold.number));
        let Some(missing) = missing.map(|fold| fold.number) else { continue };
        let known: Vec<String> = folds.iter().map(ToString::to_string).collect();
        let known = known.join(", ");
        let by = run.as_ref().map_or_else(String::new, |run| format!(" by run `{run}`"));
        return Err(BadInput(format!(
            "`{name}` has labels{by} for the folds {known}, and fold {missing} is trained here; train on the folds of the \
             labeller (`--folds`), or only those that have labels (`--set validation.train_folds=[{known}]`)"
        ))
        .into());
    }
    Ok(())
}

use std::collections::BTreeSet;

use super::{Comparison, EvaluationError};
use crate::battle::{BattleId, HeldOut};
use crate::metrics::{Columns, log_losses, mean, mean_interval, paired_difference};

/// The paired comparison of two sets of predictions on the same rows, with their targets and groups
/// taken from the first.
///
/// # Errors
/// `OtherRows` when the ids differ, `NoRows` when there is none.
pub fn compare(
    ours: &HeldOut,
    baseline: &HeldOut,
    name: &str,
    seed: u64,
) -> Result<Comparison, EvaluationError> {
    let columns = Columns::new(ours);
    let theirs = Columns::new(baseline);
    if columns.is_empty() {
        return Err(EvaluationError::NoRows);
    }
    same_rows(&columns.ids, &theirs.ids, &format!("baseline `{name}`"))?;
    let our_losses = log_losses(&columns.predictions, &columns.targets);
    let their_losses = log_losses(&theirs.predictions, &columns.targets);
    let delta = paired_difference(&our_losses, &their_losses, &columns.groups);
    let differences: Vec<f64> =
        our_losses.iter().zip(&their_losses).map(|(ours, theirs)| ours - theirs).collect();
    Ok(Comparison {
        baseline: name.to_owned(),
        baseline_log_loss: mean(&their_losses),
        delta_log_loss: delta.value,
        delta_standard_error: delta.standard_error,
        delta_interval: mean_interval(&differences, &columns.groups, seed),
        delta_p_value: delta.p_value(),
        minimum_detectable_effect: delta.minimum_detectable_effect(),
    })
}

/// Whether two ascending lists of ids are the same.
pub(super) fn same_rows(ours: &[BattleId], theirs: &[BattleId], what: &str) -> Result<(), EvaluationError> {
    if ours == theirs {
        return Ok(());
    }
    let (ours, theirs): (BTreeSet<_>, BTreeSet<_>) = (ours.iter().collect(), theirs.iter().collect());
    let example = ours.symmetric_difference(&theirs).next().map_or_else(String::new, ToString::to_string);
    Err(EvaluationError::OtherRows {
        what: what.to_owned(),
        expected: ours.len(),
        missing: ours.difference(&theirs).count(),
        extra: theirs.difference(&ours).count(),
        example,
    })
}

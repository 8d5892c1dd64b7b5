use serde::{Deserialize, Serialize};

use super::estimates::{Estimate, share};
use super::view::View;
use crate::battle::{LabeledBattle, Target, Vote};
use crate::metrics::clustered_mean;

/// What the people said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    /// Share of A, clustered by group like all intervals here.
    pub a: Estimate,
    /// Share of B.
    pub b: Estimate,
    /// Share of ties; "both are bad" counts as one.
    pub tie: Estimate,
    /// Share of "both are bad" among rows with a recorded vote; none where no row says so.
    pub both_bad: Option<Estimate>,
    /// Share of A minus share of B.
    pub a_minus_b: Estimate,
    /// How probable a difference at least as large is if the side does not matter: the test of
    /// position bias. None with fewer than two groups.
    pub position_p_value: Option<f64>,
    /// Rows whose target is not one class.
    pub soft_rows: usize,
    /// Mean entropy of the targets in nats: no prediction can have a lower log loss on them. 0 where
    /// every row is one vote.
    pub target_entropy: f64,
    /// Entropy of the class shares in nats: the log loss of the best constant prediction.
    pub constant_log_loss: f64,
}

/// Shares and position bias; none without labels.
pub(super) fn labels(view: &View<'_>) -> Option<Labels> {
    let rows = &view.labeled;
    let share_of = |value: &dyn Fn(&LabeledBattle) -> f64| {
        let values: Vec<f64> = rows.iter().map(|row| value(row)).collect();
        share(&values, None, &view.groups)
    };
    let [a, b, tie] = [0, 1, 2].map(|class| share_of(&|row| row.target.to_array()[class]));
    let (a, b, tie) = (a?, b?, tie?);
    let differences: Vec<f64> = rows.iter().map(|row| row.target.to_array()).map(|[a, b, _]| a - b).collect();
    let difference = clustered_mean(&differences, None, &view.groups);
    let several = view.groups.count() > 1;
    let shares = Target::new([a.value, b.value, tie.value]);
    Some(Labels {
        a,
        b,
        tie,
        both_bad: both_bad(view),
        a_minus_b: Estimate { value: difference.value, interval: several.then(|| difference.interval()) },
        position_p_value: several.then(|| difference.p_value()),
        soft_rows: rows.iter().filter(|row| row.target.class().is_none()).count(),
        target_entropy: rows.iter().map(|row| row.target.entropy()).sum::<f64>() / rows.len() as f64,
        constant_log_loss: shares.map_or(0.0, Target::entropy),
    })
}

fn both_bad(view: &View<'_>) -> Option<Estimate> {
    let voted: Vec<usize> = (0..view.labeled.len()).filter(|row| view.labeled[*row].vote.is_some()).collect();
    let values: Vec<f64> =
        voted.iter().map(|row| f64::from(view.labeled[*row].vote == Some(Vote::BothBad))).collect();
    share(&values, None, &view.groups.subset(&voted)).filter(|share| share.value > 0.0)
}

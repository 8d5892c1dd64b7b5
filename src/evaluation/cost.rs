use serde::{Deserialize, Serialize};

use crate::battle::{HeldOut, Probabilities, Target, Task};
use crate::calibrators::{CalibrationError, CascadeSummary, PostProcessingRecipe, cross_fit_calibrator};
use crate::metrics::{accuracies, log_losses, mean};

/// What one member of a run says, beside what it costs: for choosing between a judge, a reward model and a classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberCost {
    /// Its name.
    pub name: String,
    /// What kind of predictor it is.
    pub kind: String,
    /// Out-of-fold accuracy, alone and as it is.
    pub accuracy: f64,
    /// Out-of-fold log loss in nats, alone and before any calibration.
    pub log_loss: f64,
    /// The same with its own cross-fitted calibrator.
    pub calibrated_log_loss: f64,
    /// Tokens a pair of responses, where a language model is asked.
    pub tokens_per_pair: Option<f64>,
    /// Seconds a pair on this machine, where they were measured.
    pub seconds_per_pair: Option<f64>,
}

/// What a cascade costs beside what it gains; seconds were measured on a sample on this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CascadeCost {
    /// Seconds of the cheap run for 1,000 rows.
    pub cheap_seconds: f64,
    /// Seconds of the expensive run for 1,000 rows.
    pub expensive_seconds: f64,
    /// Seconds that the cascade takes beyond the cheap run for 1,000 rows: the share of the rows that it asks again, at
    /// the pace of the expensive run.
    pub extra_seconds: f64,
    /// Nats of log loss gained for each extra second of 1,000 rows; none where nobody is asked again.
    pub gain_per_second: Option<f64>,
    /// Its 95 % interval, that of the gain.
    pub gain_per_second_interval: Option<[f64; 2]>,
}

impl CascadeCost {
    /// The cost of a cascade from the seconds that its two runs take for 1,000 rows.
    #[must_use]
    pub fn of(summary: &CascadeSummary, [cheap_seconds, expensive_seconds]: [f64; 2]) -> Self {
        let share = if summary.threshold.is_some() { summary.share } else { 0.0 };
        let extra_seconds = share * expensive_seconds;
        let per_second = |gain: f64| (extra_seconds > 0.0).then(|| gain / extra_seconds);
        let [low, high] = summary.gain_interval.map(per_second);
        Self {
            cheap_seconds,
            expensive_seconds,
            extra_seconds,
            gain_per_second: per_second(summary.gain),
            gain_per_second_interval: low.zip(high).map(|(low, high)| [low, high]),
        }
    }
}

/// The cost of a member: tokens and seconds a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PairCost {
    /// Tokens, where a language model is asked.
    pub tokens: Option<f64>,
    /// Seconds, where they were measured.
    pub seconds: Option<f64>,
}

/// Every member of a run with its cost, in their order; `named` holds a name, a kind and a cost of each.
///
/// # Errors
/// `CalibrationError` when there is no row.
pub fn member_costs(
    held_out: &HeldOut<Vec<Probabilities>>,
    named: &[(String, String, PairCost)],
    recipe: &PostProcessingRecipe,
    task: Task,
) -> Result<Vec<MemberCost>, CalibrationError> {
    let targets: Vec<Target> = held_out.rows().iter().map(|row| row.target).collect();
    let loss_of = |predictions: &HeldOut| {
        let predictions: Vec<Probabilities> = predictions.rows().iter().map(|row| row.prediction).collect();
        (mean(&log_losses(&predictions, &targets)), mean(&accuracies(&predictions, &targets)))
    };
    let of = |(position, (name, kind, cost)): (usize, &(String, String, PairCost))| {
        let alone = held_out.map(|_, row| row.prediction[position]);
        let calibrated = cross_fit_calibrator(recipe.calibrator, &alone, task, recipe.seed)?;
        let (log_loss, accuracy) = loss_of(&alone);
        Ok(MemberCost {
            name: name.clone(),
            kind: kind.clone(),
            accuracy,
            log_loss,
            calibrated_log_loss: loss_of(&calibrated).0,
            tokens_per_pair: cost.tokens,
            seconds_per_pair: cost.seconds,
        })
    };
    named.iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::{BattleId, GroupId, Provenance, Scored, Vote};

    #[test]
    fn the_gain_of_a_cascade_is_told_by_the_second_and_not_where_nobody_is_asked() {
        let mut summary: CascadeSummary = serde_json::from_value(serde_json::json!({
            "cheap": "a", "expensive": "b", "uncertainty": "entropy", "threshold": 1.0, "share": 0.25,
            "cheap_log_loss": 1.0, "expensive_log_loss": 0.9, "cascade_log_loss": 0.95, "gain": 0.05,
            "gain_standard_error": 0.01, "gain_interval": [0.03, 0.07], "curve": [], "verdict": ""
        }))
        .unwrap();
        let cost = CascadeCost::of(&summary, [0.5, 8.0]);
        assert!((cost.extra_seconds - 2.0).abs() < 1e-12);
        assert!((cost.gain_per_second.unwrap() - 0.025).abs() < 1e-12);
        assert!((cost.gain_per_second_interval.unwrap()[1] - 0.035).abs() < 1e-12);
        summary.threshold = None;
        let cost = CascadeCost::of(&summary, [0.5, 8.0]);
        assert_eq!(
            (cost.extra_seconds, cost.gain_per_second, cost.gain_per_second_interval),
            (0.0, None, None)
        );
    }

    #[test]
    fn members_are_judged_alone_and_a_calibrator_mends_what_is_too_sure() {
        let row = |number: usize| {
            let vote = [Vote::A, Vote::B, Vote::Tie][number % 3];
            let sure = Probabilities::new([0.998, 0.001, 0.001]).unwrap();
            Scored {
                id: BattleId(format!("{number:03}")),
                group: GroupId(number.to_string()),
                fold: Some(u32::try_from(number / 3 % 4).unwrap()),
                prediction: vec![sure, Probabilities::UNIFORM],
                target: Target::from(vote),
            }
        };
        let held_out = HeldOut::new((0..120).map(row).collect(), Provenance::CrossFitted { folds: 4 });
        let cost = PairCost { tokens: Some(300.0), seconds: None };
        let named = [("judge", cost), ("prior", PairCost::default())]
            .map(|(name, cost)| (name.to_owned(), name.to_owned(), cost));
        let found =
            member_costs(&held_out, &named, &PostProcessingRecipe::default(), Task::ThreeWay).unwrap();
        assert!((found[0].accuracy - 1.0 / 3.0).abs() < 1e-12 && found[0].log_loss > 4.0, "{found:?}");
        assert!((found[0].calibrated_log_loss - 3.0_f64.ln()).abs() < 0.03, "{found:?}");
        assert!((found[1].log_loss - 3.0_f64.ln()).abs() < 1e-12);
        assert_eq!((found[0].tokens_per_pair, found[1].tokens_per_pair), (Some(300.0), None));
    }
}

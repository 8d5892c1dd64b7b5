//! Threshold and routes of a cascade, fitted and judged on rows that they did not see.

use super::summary::verdict;
use super::{Cascade, CascadePoint, CascadeSummary, Routes, Uncertainty};
use crate::battle::{HeldOut, Probabilities, Target, Task};
use crate::calibrators::choice::{GroupFolds, errors_worth_it, simplest_within_one_standard_error};
use crate::calibrators::{CalibrationError, PostProcessing, PostProcessingRecipe};
use crate::metrics::{Columns, log_losses, mean, paired_difference};

/// Shares of the rows that are tried: 5 %, 10 %, up to all, the most uncertain ones.
const SHARES: std::ops::RangeInclusive<u8> = 1..=20;
const SHARE_STEP: f64 = 0.05;

/// How many groups the predictions themselves weigh when a route is calibrated.
const PULL: f64 = 10.0;

/// How a cascade is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CascadeRecipe {
    /// What is compared with the threshold.
    pub uncertainty: Uncertainty,
    /// No threshold asks a larger share of the rows of the fit again, 0..1.
    pub max_share: f64,
    /// How each route is blended and calibrated.
    pub post_processing: PostProcessingRecipe,
}

/// A cascade judged on rows that it was not fitted on, and the one to ship.
#[derive(Clone, Debug)]
pub struct CrossFittedCascade {
    /// What the shipped cascade says out of fold: the cheap predictions themselves where it gains nothing.
    pub held_out: HeldOut,
    /// Fitted on all rows: what is shipped.
    pub fitted: Cascade,
    /// What it comes to.
    pub summary: CascadeSummary,
}

/// A threshold with what it comes to on the rows of a fit.
struct Candidate {
    threshold: f64,
    share: f64,
    losses: Vec<f64>,
}

impl CascadeRecipe {
    /// Fits on all rows, each with the calibrated held-out predictions of the cheap run and of the expensive one,
    /// and judges the whole procedure on rows that it did not see.
    ///
    /// The threshold is the one of the smallest share within one standard error of the best (Breiman et al. 1984), so
    /// that seconds are spent where they are known to gain. Where the cross-fitted gain of the whole does not exceed
    /// its standard error, nobody is asked again: a cascade never costs log loss.
    ///
    /// # Errors
    /// `CalibrationError` when there is no row, a row has not two predictions, or the calibrator cannot be shipped.
    pub fn cross_fit(
        &self,
        held_out: &HeldOut<Vec<Probabilities>>,
        names: [&str; 2],
        task: Task,
    ) -> Result<CrossFittedCascade, CalibrationError> {
        let columns = Columns::new(held_out);
        self.post_processing.check(&columns)?;
        if let Some(row) = columns.predictions.iter().position(|pair| pair.len() != 2) {
            let (id, found) = (columns.ids[row].to_string(), columns.predictions[row].len());
            return Err(CalibrationError::MemberCount { id, found, expected: 2 });
        }
        let of = |member: usize| columns.predictions.iter().map(|pair| pair[member]).collect::<Vec<_>>();
        let (cheap, expensive) = (of(0), of(1));
        let judged = match GroupFolds::new(&columns, self.post_processing.seed) {
            Some(folds) => self.on_other_folds(&columns, task, &folds)?,
            None => cheap.iter().map(|prediction| (*prediction, false)).collect(),
        };
        let (predictions, asked): (Vec<Probabilities>, Vec<bool>) = judged.into_iter().unzip();
        let losses = |predictions: &[Probabilities]| log_losses(predictions, &columns.targets);
        let (of_cheap, of_cascade) = (losses(&cheap), losses(&predictions));
        let gain = paired_difference(&of_cheap, &of_cascade, &columns.groups);
        let pays = gain.value > errors_worth_it(&columns.groups) * gain.standard_error;
        let (candidates, chosen) = self.candidates(&columns, task);
        let fitted = self.fit_routes(&columns, task, candidates[chosen].threshold)?;
        let fitted = Cascade { routes: fitted.filter(|_| pays), uncertainty: self.uncertainty };
        let shipped = if fitted.routes.is_some() { &predictions } else { &cheap };
        let summary = CascadeSummary {
            cheap: names[0].to_owned(),
            expensive: names[1].to_owned(),
            uncertainty: self.uncertainty,
            threshold: fitted.routes.as_ref().map(|routes| routes.threshold),
            share: share(&asked),
            cheap_log_loss: mean(&of_cheap),
            expensive_log_loss: mean(&losses(&expensive)),
            cascade_log_loss: mean(&of_cascade),
            gain: gain.value,
            gain_standard_error: gain.standard_error,
            gain_interval: gain.interval(),
            curve: candidates
                .iter()
                .map(|candidate| CascadePoint { share: candidate.share, log_loss: mean(&candidate.losses) })
                .collect(),
            verdict: verdict(&fitted, (gain.value, gain.standard_error), share(&asked)),
        };
        let held_out =
            held_out.map(|row, scored| shipped[columns.ids.binary_search(&scored.id).unwrap_or(row)]);
        Ok(CrossFittedCascade { held_out, fitted, summary })
    }

    /// The prediction of every row by a cascade fitted without its fold, and whether that asked again.
    fn on_other_folds(
        &self,
        columns: &Columns<Vec<Probabilities>>,
        task: Task,
        folds: &GroupFolds,
    ) -> Result<Vec<(Probabilities, bool)>, CalibrationError> {
        folds.cross_fit(|train, rows| {
            let train = columns.subset(train);
            let (candidates, chosen) = self.candidates(&train, task);
            let routes = self.fit_routes(&train, task, candidates[chosen].threshold)?;
            let fitted = Cascade { uncertainty: self.uncertainty, routes };
            let predict = |row: &usize| {
                let pair = &columns.predictions[*row];
                (fitted.apply(pair[0], Some(pair[1])), fitted.asks_again(pair[0]))
            };
            Ok(rows.iter().map(predict).collect())
        })
    }

    /// Every threshold with its losses, the infinite one that asks nobody first, and which is chosen.
    fn candidates(&self, columns: &Columns<Vec<Probabilities>>, task: Task) -> (Vec<Candidate>, usize) {
        let cheap: Vec<Probabilities> = columns.predictions.iter().map(|pair| pair[0]).collect();
        let unsure: Vec<f64> = cheap.iter().map(|prediction| self.uncertainty.of(*prediction)).collect();
        let of_cheap = log_losses(&cheap, &columns.targets);
        let mut candidates =
            vec![Candidate { threshold: f64::INFINITY, share: 0.0, losses: of_cheap.clone() }];
        let Some(folds) = GroupFolds::new(columns, self.post_processing.seed) else { return (candidates, 0) };
        let (_, blended) = self.post_processing.cross_fitted_blend(columns, task, &folds);
        let of_both = log_losses(&blended, &columns.targets);
        let mut sorted = unsure.clone();
        sorted.sort_by(|one, other| other.total_cmp(one));
        for step in SHARES {
            let threshold = sorted[position(f64::from(step) * SHARE_STEP, sorted.len())];
            let asked: Vec<bool> = unsure.iter().map(|value| *value >= threshold).collect();
            // Equal uncertainties go together, so that a step may take more rows than it names.
            let share = share(&asked);
            if share > self.max_share || candidates.last().is_some_and(|last| share <= last.share) {
                continue;
            }
            let losses = asked.iter().enumerate().map(
                |(row, asked)| {
                    if *asked { of_both[row] } else { of_cheap[row] }
                },
            );
            candidates.push(Candidate { threshold, share, losses: losses.collect() });
        }
        let losses: Vec<Vec<f64>> = candidates.iter().map(|candidate| candidate.losses.clone()).collect();
        let chosen = simplest_within_one_standard_error(&losses, &columns.groups);
        (candidates, chosen)
    }

    /// Blend and calibrator of each route; none for a threshold that asks nobody.
    fn fit_routes(
        &self,
        columns: &Columns<Vec<Probabilities>>,
        task: Task,
        threshold: f64,
    ) -> Result<Option<Routes>, CalibrationError> {
        if threshold.is_infinite() {
            return Ok(None);
        }
        let is_unsure = |row: &usize| self.uncertainty.of(columns.predictions[*row][0]) >= threshold;
        let (unsure, sure): (Vec<usize>, Vec<usize>) = (0..columns.len()).partition(is_unsure);
        let of_sure = columns.subset(&sure);
        let cheap = of_sure.predictions.iter().map(|pair| vec![pair[0]]).collect();
        let fit = |columns: &Columns<Vec<Probabilities>>, members: usize| {
            if columns.is_empty() {
                return Ok(PostProcessing::nothing(members, task));
            }
            self.post_processing.fit_columns(&shrunk(columns), task)
        };
        Ok(Some(Routes {
            threshold,
            share: unsure.len() as f64 / columns.len().max(1) as f64,
            sure: fit(&of_sure.with(cheap), 1)?,
            unsure: fit(&columns.subset(&unsure), 2)?,
        }))
    }
}

/// The rows with targets drawn towards what both members say on average, by as much as [`PULL`] groups weigh: a route of
/// few rows that were all predicted rightly does not determine a temperature, and the first wrong one would cost nats
/// without end (Platt 1999 smooths targets for the same reason).
fn shrunk(columns: &Columns<Vec<Probabilities>>) -> Columns<Vec<Probabilities>> {
    let share = PULL / (columns.groups.count() as f64 + PULL);
    let mut shrunk = columns.clone();
    for (target, members) in shrunk.targets.iter_mut().zip(&columns.predictions) {
        let weight = share / members.len().max(1) as f64;
        let mut mixed = target.to_array().map(|voted| (1.0 - share) * voted);
        for member in members {
            for (sum, said) in mixed.iter_mut().zip(member.to_array()) {
                *sum += weight * said;
            }
        }
        // A mixture of probabilities is one; a rounding error is divided out.
        *target = Target::new(mixed).unwrap_or(*target);
    }
    shrunk
}

/// The place of the least uncertain of a share of the rows, most uncertain first.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a number of rows")]
fn position(share: f64, rows: usize) -> usize {
    ((share * rows as f64).round() as usize).clamp(1, rows.max(1)) - 1
}

fn share(asked: &[bool]) -> f64 {
    asked.iter().filter(|asked| **asked).count() as f64 / asked.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::{BattleId, GroupId, Provenance, Scored, Vote};

    /// Rows of which every other one is hard: there the cheap prediction is unsure, and the expensive one knows better
    /// by `skill` (0 for noise).
    fn rows(count: usize, skill: f64) -> HeldOut<Vec<Probabilities>> {
        let draw = |seed: usize| {
            let mut x = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((x ^ (x >> 27)) >> 11) as f64 / 9_007_199_254_740_992.0
        };
        let row = |number: usize| {
            let third = |share: f64| if share < 1.0 / 3.0 { 0 } else { 1 + usize::from(share > 2.0 / 3.0) };
            let class = third(draw(number));
            let sided = |strength: f64, class: usize| {
                let mut logits = [0.0; 3];
                logits[class] = strength;
                Probabilities::from_logits(logits).unwrap()
            };
            let noise = third(draw(7 * number + 3));
            let is_hard = number.is_multiple_of(2);
            // An easy row is right nine times of ten, as its prediction says.
            let told = if draw(5 * number + 2) < 0.85 { class } else { noise };
            let cheap = if is_hard { sided(0.1 * draw(number + 99), noise) } else { sided(2.7, told) };
            let better = if draw(3 * number + 1) < skill { class } else { noise };
            let expensive = if is_hard { sided(1.0, better) } else { cheap };
            Scored {
                id: BattleId(format!("{number:05}")),
                group: GroupId((number / 2).to_string()),
                fold: Some(u32::try_from(number / 2 % 5).unwrap()),
                prediction: vec![cheap, expensive],
                target: Target::from([Vote::A, Vote::B, Vote::Tie][class]),
            }
        };
        HeldOut::new((0..count).map(row).collect(), Provenance::CrossFitted { folds: 5 })
    }

    fn recipe() -> CascadeRecipe {
        let post_processing = PostProcessingRecipe::default();
        CascadeRecipe { uncertainty: Uncertainty::Entropy, max_share: 1.0, post_processing }
    }

    fn fitted(rows: &HeldOut<Vec<Probabilities>>) -> CrossFittedCascade {
        recipe().cross_fit(rows, ["cheap", "expensive"], Task::ThreeWay).unwrap()
    }

    #[test]
    fn rows_on_which_the_expensive_run_knows_better_are_asked_again_and_gain() {
        let rows = rows(2000, 0.6);
        let found = fitted(&rows);
        let summary = &found.summary;
        assert!(summary.gain > 0.05 && summary.gain_interval[0] > 0.0, "{summary:?}");
        assert!((0.3..=0.55).contains(&summary.share), "{summary:?}");
        let losses: Vec<f64> =
            found.held_out.rows().iter().map(|row| log_losses(&[row.prediction], &[row.target])[0]).collect();
        assert!((mean(&losses) - summary.cascade_log_loss).abs() < 1e-12);
        let stored = serde_json::to_string(&found.fitted).unwrap();
        assert_eq!(serde_json::from_str::<Cascade>(&stored).unwrap(), found.fitted);
    }

    #[test]
    fn a_run_that_knows_nothing_more_is_never_asked() {
        let rows = rows(2000, 0.0);
        let found = fitted(&rows);
        assert!(found.fitted.routes().is_none(), "{:?}", found.summary);
        assert!(found.summary.verdict.contains("the cheap run alone"), "{}", found.summary.verdict);
        for (row, of_cheap) in found.held_out.rows().iter().zip(rows.rows()) {
            assert_eq!(row.prediction, of_cheap.prediction[0]);
            assert_eq!(found.fitted.apply(row.prediction, Some(Probabilities::UNIFORM)), row.prediction);
        }
    }

    #[test]
    fn a_row_depends_on_itself_alone_and_its_exchange_goes_the_same_way() {
        let rows = rows(1000, 0.7);
        let cascade = fitted(&rows).fitted;
        assert!(cascade.routes().is_some());
        for row in rows.rows() {
            let [cheap, expensive] = row.prediction[..] else { panic!("two predictions") };
            let straight = cascade.apply(cheap, Some(expensive));
            assert_eq!(straight, cascade.apply(cheap.swapped(), Some(expensive.swapped())).swapped());
            assert_eq!(cascade.asks_again(cheap), cascade.asks_again(cheap.swapped()));
            for uncertainty in [Uncertainty::Entropy, Uncertainty::TopProbability] {
                assert_eq!(uncertainty.of(cheap).to_bits(), uncertainty.of(cheap.swapped()).to_bits());
            }
            if cascade.asks_again(cheap) {
                assert_eq!(cascade.apply(cheap, None), cheap);
            }
        }
    }

    #[test]
    fn the_order_of_rows_changes_no_bit_and_no_share_is_larger_than_allowed() {
        let rows = rows(800, 0.7);
        let mut turned = rows.rows().to_vec();
        turned.reverse();
        let turned = HeldOut::new(turned, rows.provenance().clone());
        assert_eq!(fitted(&rows).summary, fitted(&turned).summary);
        let limited = CascadeRecipe { max_share: 0.2, ..recipe() };
        let found = limited.cross_fit(&rows, ["cheap", "expensive"], Task::ThreeWay).unwrap();
        assert!(found.summary.curve.iter().all(|point| point.share <= 0.2), "{:?}", found.summary.curve);
        assert!(found.fitted.routes().is_some_and(|routes| routes.share <= 0.2));
    }
}

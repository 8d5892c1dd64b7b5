use std::sync::Arc;

use super::language_model::{Asked, Forecasted, LanguageModel, LanguageModelError};
use super::{PlannedRows, PredictError, PredictRun, Predictor, RowDetail, SavedModel, SavedPredictor};
use crate::battle::{Battle, NotProbabilities, Probabilities};
use crate::checkpoint::OutputMeaning;
use crate::encoding::Shown;

/// A language model that reads both responses and has one output for each verdict.
pub struct Classifier {
    model: Arc<LanguageModel>,
}

impl Classifier {
    /// A model whose outputs are verdicts on a comparison.
    ///
    /// # Errors
    /// `LanguageModelError::Unfit` when it gives scores, or reads each response alone.
    pub fn new(model: Arc<LanguageModel>) -> Result<Self, LanguageModelError> {
        let problem = if model.outputs().contains(&OutputMeaning::Score) {
            "it has one output, a score; use `kind = \"reward\"`"
        } else if model.reads_single_responses() {
            "its template shows one response alone, and a verdict needs both; import it with another template"
        } else {
            return Ok(Self { model });
        };
        let (folder, problem) = (model.folder().named.clone(), problem.to_owned());
        Err(LanguageModelError::Unfit { folder, kind: "classifier", problem })
    }

    fn prediction(
        &self,
        sequences: &[Option<Arc<[f32]>>],
    ) -> Result<Option<Probabilities>, NotProbabilities> {
        let mut of_orders = Vec::with_capacity(2);
        for (logits, shown) in sequences.iter().zip(self.model.shown()) {
            let Some(logits) = logits else { continue };
            let verdict = verdict(self.model.outputs(), logits.iter().map(|logit| f64::from(*logit)))?;
            of_orders.push(if *shown == Shown::Ba { verdict.swapped() } else { verdict });
        }
        Ok(match of_orders[..] {
            [] => None,
            [only] => Some(only),
            [first, second, ..] => Some(first.mean(second)),
        })
    }
}

/// The three probabilities of one sequence, as its first and second response are called A and B: the softmax
/// over the outputs, one logit each, in which "both are bad" is then a tie. What has no output is impossible.
///
/// # Errors
/// `NotProbabilities` when a logit is not a number.
pub fn verdict(
    outputs: &[OutputMeaning],
    logits: impl IntoIterator<Item = f64, IntoIter: Clone>,
) -> Result<Probabilities, NotProbabilities> {
    let logits = logits.into_iter();
    // A constant changes no probability, and beside huge logits the sum of two of them would be lost.
    let largest = logits.clone().fold(f64::NEG_INFINITY, f64::max);
    let centre = if largest.is_finite() { largest } else { 0.0 };
    let mut merged = [f64::NEG_INFINITY; 3];
    for (meaning, logit) in outputs.iter().zip(logits) {
        let logit = logit - centre;
        match meaning {
            OutputMeaning::A => merged[0] = logit,
            OutputMeaning::B => merged[1] = logit,
            // The sum of two probabilities is the exponential sum of their logits.
            OutputMeaning::Tie | OutputMeaning::BothBad => merged[2] = ln_sum(merged[2], logit),
            OutputMeaning::Score => {}
        }
    }
    Probabilities::from_logits(merged)
}

/// ln(e^a + e^b), whichever of the two comes first.
fn ln_sum(a: f64, b: f64) -> f64 {
    let (larger, smaller) = (a.max(b), a.min(b));
    if smaller == f64::NEG_INFINITY { larger } else { larger + (smaller - larger).exp().ln_1p() }
}

impl Predictor for Classifier {
    fn predict(&self, battles: &[Battle], run: &mut dyn PredictRun) -> Result<(), PredictError> {
        let battles: Vec<&Battle> = battles.iter().collect();
        let numbers = {
            let run: &dyn PredictRun = run;
            let stop = || run.stop();
            let asked =
                Asked { journal: None, deadline: run.deadline(), stop: &stop, progress: run.progress() };
            self.model.numbers_of(&battles, &asked)?
        };
        if run.stop() {
            return Err(PredictError::Stopped);
        }
        let width = self.model.outputs().len();
        for (row, battle) in battles.iter().enumerate() {
            run.detail(row, RowDetail { raw: numbers.flat(row, width), outcome: numbers.outcome(row) });
            let prediction = self
                .prediction(numbers.row(row))
                .map_err(|source| PredictError::NotProbabilities { id: battle.id.to_string(), source })?;
            if let Some(probabilities) = prediction {
                run.emit(row, probabilities);
            }
        }
        Ok(())
    }

    fn saved(&self) -> SavedPredictor {
        SavedPredictor::Classifier { model: SavedModel::of(&self.model) }
    }

    fn raw_columns(&self) -> Vec<String> {
        let order = |shown: &Shown| if *shown == Shown::Ba { "ba" } else { "ab" };
        let columns = |shown: &Shown| {
            let order = order(shown);
            self.model.outputs().iter().map(move |output| format!("{order}.logit_{}", output.name()))
        };
        self.model.shown().iter().flat_map(columns).collect()
    }

    fn wants_whole_file(&self) -> bool {
        true
    }

    fn reads_one_order(&self) -> bool {
        self.model.shown().len() < 2
    }

    fn forecast(&self, plan: &PlannedRows<'_>) -> Result<Vec<Forecasted>, PredictError> {
        Ok(self.model.forecast(plan)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use OutputMeaning::{A, B, BothBad, Tie};

    fn close(found: Probabilities, expected: [f64; 3]) {
        let found = found.to_array();
        assert!(found.iter().zip(expected).all(|(p, q)| (p - q).abs() < 1e-12), "{found:?} {expected:?}");
    }

    #[test]
    fn both_bad_is_merged_into_the_tie_after_the_softmax() {
        let logits = [0.5_f32, -1.0, 2.0, 0.25];
        let weights = logits.map(|z| f64::from(z).exp());
        let sum: f64 = weights.iter().sum();
        let [tie, a, bad, b] = weights.map(|weight| weight / sum);
        close(verdict(&[Tie, A, BothBad, B], logits.map(f64::from)).unwrap(), [a, b, tie + bad]);
    }

    #[test]
    fn two_outputs_say_that_a_tie_is_impossible() {
        let found = verdict(&[B, A], [0.0, 1.0]).unwrap();
        close(found, [1.0 / (1.0 + (-1.0_f64).exp()), 1.0 / (1.0 + 1.0_f64.exp()), 0.0]);
        assert_eq!(found.ln()[2], f64::NEG_INFINITY);
    }

    #[test]
    fn exchanging_the_logits_of_a_and_b_exchanges_the_verdict_bit_for_bit() {
        for seed in 0..200_u16 {
            let z = [0, 1, 2, 3_u16].map(|k| (f64::from(seed * 7 + k * 13) * 0.37).sin() * 9.0);
            let straight = verdict(&[A, B, Tie, BothBad], z).unwrap();
            let turned = verdict(&[A, B, Tie, BothBad], [z[1], z[0], z[3], z[2]]).unwrap();
            assert_eq!(straight, turned.swapped(), "{z:?}");
            // The mean of both orders does not know which came first.
            assert_eq!(straight.mean(turned), turned.mean(straight));
        }
    }

    #[test]
    fn huge_logits_overflow_nothing() {
        let found = verdict(&[A, B, Tie, BothBad], [3e38, -3e38, 3e38, 3e38]).unwrap();
        close(found, [1.0 / 3.0, 0.0, 2.0 / 3.0]);
    }
}

//! Two programs on the same sequences: tokens, logits, decisions, log losses.

use serde::Serialize;

use super::dump::Record;
use super::logits::Computed;
use crate::battle::{GroupId, Target};
use crate::checkpoint::OutputMeaning;
use crate::commands::model_folder::ModelFolder;
use crate::encoding::{Sequence, Shown};
use crate::metrics::{Clip, Groups, log_loss, mean_interval};
use crate::predictors::verdict;

/// Decides what is resampled for the interval.
const RESAMPLING_SEED: u64 = 0;

/// A line of the dump beside our sequence.
pub(super) struct Pair {
    pub(super) record: Record,
    pub(super) sequence: Sequence,
    pub(super) target: Option<Target>,
    /// The prompt, whose rows are not independent.
    pub(super) group: GroupId,
}

/// What was compared and how far it agrees.
#[derive(Debug, Default, Serialize)]
pub(super) struct Comparison {
    /// Where our logits were computed, one entry a copy of the model.
    pub(super) devices: Vec<String>,
    /// Why there.
    pub(super) device_choice: Option<String>,
    /// Lines of the dump.
    pub(super) sequences: usize,
    /// Those whose token ids differ.
    pub(super) token_mismatches: usize,
    /// The first of them.
    pub(super) first_mismatch: Option<Mismatch>,
    /// Those whose logits were compared.
    pub(super) compared_logits: usize,
    /// The largest difference of a logit, over sequences of equal tokens.
    pub(super) largest_difference: Option<Difference>,
    /// The tolerance of it, where there is one.
    pub(super) tolerance: Option<f64>,
    /// Decisions that were compared: one a sequence, or one a battle where each response has a score of its own.
    pub(super) decisions: usize,
    /// Those that are not the same.
    pub(super) flipped_decisions: usize,
    /// Sequences with a label whose log losses were compared.
    pub(super) labelled: usize,
    /// The mean log loss of our logits, without calibration.
    pub(super) log_loss: Option<f64>,
    /// That of the dump.
    pub(super) their_log_loss: Option<f64>,
    /// Ours minus theirs.
    pub(super) log_loss_difference: Option<f64>,
    /// Its 95 % interval, prompts resampled.
    pub(super) log_loss_difference_interval: Option<[f64; 2]>,
    /// Prompts of the labelled sequences.
    pub(super) prompts: usize,
}

/// The first token that differs.
#[derive(Debug, Serialize)]
pub(super) struct Mismatch {
    pub(super) id: String,
    pub(super) shown: Shown,
    pub(super) position: usize,
    pub(super) token: Option<Spelled>,
    pub(super) their_token: Option<Spelled>,
    pub(super) length: usize,
    pub(super) their_length: usize,
}

/// A token with its spelling.
#[derive(Debug, Serialize)]
pub(super) struct Spelled {
    pub(super) id: u32,
    pub(super) token: String,
}

/// The logit that differs most.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Difference {
    pub(super) id: String,
    pub(super) output: OutputMeaning,
    pub(super) logit: f64,
    pub(super) their_logit: f64,
    /// Their distance.
    #[serde(rename = "difference")]
    pub(super) distance: f64,
}

/// The logits of a sequence, ours and theirs.
struct Both<'a> {
    pair: &'a Pair,
    ours: Vec<f64>,
    theirs: &'a [f64],
}

impl Comparison {
    /// Compares; `computed` holds our logits, or is nothing where the dump has none.
    ///
    /// # Errors
    /// The line whose logits are of another number than the outputs of the model.
    pub(super) fn of(
        model: &ModelFolder,
        pairs: &[Pair],
        computed: Option<Computed>,
        tolerance: Option<f64>,
    ) -> anyhow::Result<Self> {
        let outputs = &model.card.outputs;
        let device_choice = computed.as_ref().map(|computed| computed.device_choice.clone());
        let Computed { logits: ours, devices, .. } = computed.unwrap_or_default();
        let mut comparison =
            Self { devices, device_choice, sequences: pairs.len(), tolerance, ..Self::default() };
        let mut both = Vec::new();
        for (index, pair) in pairs.iter().enumerate() {
            comparison.note_tokens(model, pair);
            let (Some(theirs), Some(ours)) = (&pair.record.logits, ours.get(index)) else { continue };
            if theirs.len() != outputs.len() {
                let (line, n, expected) = (pair.record.line, theirs.len(), outputs.len());
                anyhow::bail!("line {line} has {n} logits, the model has {expected} outputs");
            }
            both.push(Both { pair, ours: ours.iter().map(|&logit| f64::from(logit)).collect(), theirs });
        }
        comparison.compared_logits = both.len();
        for both in &both {
            comparison.note_logits(both, outputs);
        }
        if outputs[..] == [OutputMeaning::Score] {
            comparison.note_preferences(&both);
        } else {
            comparison.note_verdicts(&both, outputs);
        }
        Ok(comparison)
    }

    /// # Errors
    /// When a token differs, or a logit by more than the tolerance.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        if self.token_mismatches > 0 {
            anyhow::bail!("{} of {} sequences have other tokens", self.token_mismatches, self.sequences);
        }
        match (&self.largest_difference, self.tolerance) {
            (Some(largest), Some(tolerance)) if largest.distance.is_nan() || largest.distance > tolerance => {
                anyhow::bail!(
                    "a logit of `{}` differs by {:.2e}, more than the tolerance {tolerance:e}",
                    largest.id,
                    largest.distance
                )
            }
            _ => Ok(()),
        }
    }

    fn note_tokens(&mut self, model: &ModelFolder, pair: &Pair) {
        let (ours, theirs) = (&pair.sequence.ids, &pair.record.input_ids);
        if ours == theirs {
            return;
        }
        self.token_mismatches += 1;
        if self.first_mismatch.is_some() {
            return;
        }
        let position = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
        let spelled =
            |ids: &[u32]| ids.get(position).map(|&id| Spelled { id, token: model.encoder.spelling(id) });
        self.first_mismatch = Some(Mismatch {
            id: pair.record.id.clone(),
            shown: pair.sequence.shown,
            position,
            token: spelled(ours),
            their_token: spelled(theirs),
            length: ours.len(),
            their_length: theirs.len(),
        });
    }

    fn note_logits(&mut self, both: &Both<'_>, outputs: &[OutputMeaning]) {
        if both.pair.sequence.ids != both.pair.record.input_ids {
            return;
        }
        for ((&logit, &their_logit), &output) in both.ours.iter().zip(both.theirs).zip(outputs) {
            let distance = (logit - their_logit).abs();
            if self
                .largest_difference
                .as_ref()
                .is_none_or(|largest| distance.is_nan() || distance > largest.distance)
            {
                let id = both.pair.record.id.clone();
                self.largest_difference = Some(Difference { id, output, logit, their_logit, distance });
            }
        }
    }

    /// Each response alone has a score: the decision is which of the two is higher.
    fn note_preferences(&mut self, both: &[Both<'_>]) {
        let firsts = both.iter().filter(|both| both.pair.sequence.shown == Shown::OnlyA);
        for first in firsts {
            let second = both.iter().find(|other| {
                other.pair.record.id == first.pair.record.id && other.pair.sequence.shown == Shown::OnlyB
            });
            let Some(second) = second else { continue };
            self.decisions += 1;
            let ours = first.ours[0].total_cmp(&second.ours[0]);
            self.flipped_decisions += usize::from(ours != first.theirs[0].total_cmp(&second.theirs[0]));
        }
    }

    fn note_verdicts(&mut self, both: &[Both<'_>], outputs: &[OutputMeaning]) {
        let mut losses: Vec<[f64; 2]> = Vec::new();
        let mut groups = Vec::new();
        for both in both {
            let verdicts =
                [both.ours.as_slice(), both.theirs].map(|logits| verdict(outputs, logits.iter().copied()));
            let [Ok(ours), Ok(theirs)] = verdicts else { continue };
            self.decisions += 1;
            self.flipped_decisions += usize::from(ours.largest() != theirs.largest());
            let Some(target) = both.pair.target else { continue };
            let swapped = both.pair.sequence.shown == Shown::Ba;
            losses.push([ours, theirs].map(|probabilities| {
                let straight = if swapped { probabilities.swapped() } else { probabilities };
                log_loss(straight, target, Clip::F64)
            }));
            groups.push(&both.pair.group);
        }
        self.note_losses(&losses, &Groups::new(groups.into_iter()));
    }

    /// The mean log losses, and the interval of their difference.
    fn note_losses(&mut self, losses: &[[f64; 2]], groups: &Groups) {
        if losses.is_empty() {
            return;
        }
        (self.labelled, self.prompts) = (losses.len(), groups.count());
        let sum = |side: usize| losses.iter().map(|both| both[side]).sum::<f64>();
        let [ours, theirs] = [0, 1].map(|side| sum(side) / losses.len() as f64);
        (self.log_loss, self.their_log_loss) = (Some(ours), Some(theirs));
        self.log_loss_difference = Some(ours - theirs);
        let differences: Vec<f64> = losses.iter().map(|[ours, theirs]| ours - theirs).collect();
        self.log_loss_difference_interval = Some(mean_interval(&differences, groups, RESAMPLING_SEED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_that_is_no_number_is_beyond_every_tolerance() {
        let largest = Difference {
            id: "7".to_owned(),
            output: OutputMeaning::A,
            logit: 0.0,
            their_logit: 0.0,
            distance: f64::NAN,
        };
        let mut comparison =
            Comparison { tolerance: Some(1.0), largest_difference: Some(largest), ..Comparison::default() };
        assert!(comparison.verdict().is_err());
        comparison.largest_difference.as_mut().unwrap().distance = 0.5;
        assert!(comparison.verdict().is_ok());
    }
}

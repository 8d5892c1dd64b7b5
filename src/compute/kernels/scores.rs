//! The scores of one head of one text: scaled, capped, biased, masked, made probabilities; and the way back.

use super::functions::{exp, tanh};
use super::sums::{largest, sum_of};
use crate::architectures::Mask;

/// The form of the scores of one head.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct ScoreForm<'a> {
    /// Scores are multiplied by it.
    pub(in super::super) scale: f32,
    /// Scores s become cap tanh(s / cap).
    pub(in super::super) cap: Option<f32>,
    /// Added behind the cap: [asking, asked], and how many are asked in a row of it.
    pub(in super::super) bias: Option<(&'a [f32], usize)>,
    /// What is seen.
    pub(in super::super) mask: Mask,
    /// The places that hold tokens: from, to.
    pub(in super::super) valid: [usize; 2],
    /// Places of the text.
    pub(in super::super) length: usize,
}

/// What the token at a place sees of a text whose tokens stand from one place to another: from, to.
pub(in super::super) fn seen(mask: Mask, [from, to]: [usize; 2], asking: usize) -> [usize; 2] {
    let behind = to.min(asking + 1);
    match mask {
        Mask::Padding => [from, to],
        Mask::Causal => [from.min(behind), behind],
        Mask::Surroundings { reach } => {
            let end = to.min(asking + reach + 1);
            [from.max(asking.saturating_sub(reach)).min(end), end]
        }
        Mask::SlidingCausal { window } => [from.max((asking + 1).saturating_sub(window)).min(behind), behind],
    }
}

impl ScoreForm<'_> {
    /// Turns scores [asking, asked] to probabilities, in place; a token that sees nothing gets zeros. Where `slopes`
    /// is given, it takes the slope of the cap at each score.
    pub(in super::super) fn probabilities(&self, scores: &mut [f32], mut slopes: Option<&mut [f32]>) {
        for asking in 0..self.length {
            let [from, to] = seen(self.mask, self.valid, asking);
            let all = asking * self.length..(asking + 1) * self.length;
            let row = &mut scores[all.clone()];
            row[..from].fill(0.0);
            row[to..].fill(0.0);
            let row = &mut row[from..to];
            for score in &mut *row {
                *score *= self.scale;
            }
            if let Some(cap) = self.cap {
                for score in &mut *row {
                    *score = tanh(*score / cap);
                }
                if let Some(slopes) = slopes.as_deref_mut() {
                    let slopes = &mut slopes[all][from..to];
                    slopes.iter_mut().zip(&*row).for_each(|(slope, &t)| *slope = 1.0 - t * t);
                }
                for score in &mut *row {
                    *score *= cap;
                }
            }
            if let Some((bias, places)) = self.bias {
                row.iter_mut()
                    .zip(&bias[asking * places..][from..to])
                    .for_each(|(score, &bias)| *score += bias);
            }
            softmax(row);
        }
    }

    /// From the gradient of the probabilities to that of the biased scores, in place.
    pub(in super::super) fn back(&self, gradient: &mut [f32], probabilities: &[f32]) {
        for (gradient, probabilities) in
            gradient.chunks_exact_mut(self.length).zip(probabilities.chunks_exact(self.length))
        {
            let mean = sum_of(gradient, probabilities, |g, p| g * p);
            for (gradient, &probability) in gradient.iter_mut().zip(probabilities) {
                *gradient = (*gradient - mean) * probability;
            }
        }
    }
}

fn softmax(row: &mut [f32]) {
    let most = largest(row);
    for score in &mut *row {
        *score = exp(*score - most);
    }
    let factor = 1.0 / sum_of(row, row, |power, _| power);
    for power in row {
        *power *= factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(mask: Mask) -> ScoreForm<'static> {
        ScoreForm { scale: 1.0, cap: None, bias: None, mask, valid: [0, 4], length: 4 }
    }

    fn looked_at(form: &ScoreForm, asking: usize) -> Vec<bool> {
        let mut scores = vec![0.0; form.length * form.length];
        form.probabilities(&mut scores, None);
        scores[asking * form.length..][..form.length].iter().map(|&p| p > 0.0).collect()
    }

    #[test]
    fn a_window_counts_the_asking_token_itself() {
        let form = form(Mask::SlidingCausal { window: 2 });
        assert_eq!(looked_at(&form, 3), [false, false, true, true]);
        assert_eq!(looked_at(&form, 0), [true, false, false, false]);
    }

    #[test]
    fn padding_is_not_seen_and_sees_nothing_through_a_causal_mask() {
        let form = ScoreForm { valid: [2, 4], ..form(Mask::Causal) };
        assert_eq!(looked_at(&form, 0), [false; 4]);
        assert_eq!(looked_at(&form, 3), [false, false, true, true]);
        let all = ScoreForm { valid: [0, 3], mask: Mask::Padding, ..form };
        assert_eq!(looked_at(&all, 3), [true, true, true, false]);
    }
}

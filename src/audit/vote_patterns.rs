//! The arithmetic of votes that several people cast on one battle.

use std::collections::BTreeMap;

use statrs::function::gamma::digamma;

use super::estimates::{Estimate, jackknife};
use super::votes::Votes;
use crate::battle::Target;

/// Folds over groups in which the concentration is fitted for the upper bound.
const FOLDS: usize = 5;

/// The largest entropy of three classes.
pub(super) const LN_3: f64 = 1.098_612_288_668_109_8;

/// Counts of votes on one battle; the sides are in no order, so the larger comes first.
pub(super) type Pattern = [f64; 3];

/// Battles by pattern: few patterns stand for many battles.
pub(super) struct Table {
    patterns: Vec<Pattern>,
    /// Per group, which patterns it has and how many battles of each.
    pub(super) groups: Vec<Vec<(usize, f64)>>,
}

impl Table {
    pub(super) fn new(battles: &[Votes]) -> Option<Self> {
        let mut patterns: BTreeMap<[u64; 3], usize> = BTreeMap::new();
        let mut groups: BTreeMap<usize, BTreeMap<[u64; 3], f64>> = BTreeMap::new();
        for votes in battles {
            let [a, b, tie] = votes.counts;
            let pattern = [a.max(b), a.min(b), tie].map(f64::to_bits);
            patterns.insert(pattern, 0);
            *groups.entry(votes.group).or_default().entry(pattern).or_default() += 1.0;
        }
        for (number, place) in patterns.values_mut().enumerate() {
            *place = number;
        }
        let of_group = |counts: BTreeMap<[u64; 3], f64>| {
            counts.into_iter().map(|(pattern, count)| (patterns[&pattern], count)).collect()
        };
        let groups: Vec<Vec<(usize, f64)>> = groups.into_values().map(of_group).collect();
        let patterns = patterns.into_keys().map(|bits| bits.map(f64::from_bits)).collect();
        (!groups.is_empty()).then_some(Self { patterns, groups })
    }

    /// How many battles of each pattern the kept groups have.
    pub(super) fn weights(&self, kept: &(dyn Fn(usize) -> bool + Sync)) -> Vec<f64> {
        let mut weights = vec![0.0; self.patterns.len()];
        for (_, counts) in self.groups.iter().enumerate().filter(|(group, _)| kept(*group)) {
            for (pattern, count) in counts {
                weights[*pattern] += count;
            }
        }
        weights
    }

    /// The mean over votes of a value of their battle.
    pub(super) fn mean(&self, weights: &[f64], value: impl Fn(&Pattern) -> f64) -> f64 {
        let (mut sum, mut votes) = (0.0, 0.0);
        for (pattern, weight) in self.patterns.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
            sum += weight * total(pattern) * value(pattern);
            votes += weight * total(pattern);
        }
        sum / votes
    }

    pub(super) fn estimate(&self, value: impl Fn(&Pattern) -> f64 + Sync) -> Option<Estimate> {
        jackknife(self.groups.len(), |kept| Some(self.mean(&self.weights(kept), &value)))
            .map(|e| e.within(0.0, LN_3))
    }

    /// Shares of the classes among the votes; the sides share alike, because they are in no order.
    pub(super) fn mean_target(&self, weights: &[f64]) -> [f64; 3] {
        let tie = self.mean(weights, |pattern| pattern[2] / total(pattern));
        [(1.0 - tie) / 2.0, (1.0 - tie) / 2.0, tie]
    }

    /// The Dirichlet whose concentration predicts each vote best from the other votes on its battle;
    /// half a vote is added to the shares, so that a class that never came stays possible.
    fn fitted(&self, weights: &[f64]) -> [f64; 3] {
        let votes: f64 =
            self.patterns.iter().zip(weights).map(|(pattern, weight)| weight * total(pattern)).sum();
        if votes <= 0.0 {
            return [0.5; 3];
        }
        let shares = self.mean_target(weights).map(|share| (share * votes + 0.5) / (votes + 1.5));
        let loss = |ln_concentration: f64| {
            let prior = shares.map(|share| share * ln_concentration.exp());
            self.mean(weights, |pattern| leave_one_out(pattern, prior))
        };
        let best = golden_section(loss, -12.0, 9.0);
        shares.map(|share| share * best.exp())
    }

    pub(super) fn posterior_entropy(&self, weights: &[f64]) -> f64 {
        let prior = self.fitted(weights);
        self.mean(weights, |pattern| {
            let alpha = [0, 1, 2].map(|class| pattern[class] + prior[class]);
            let sum: f64 = alpha.iter().sum();
            digamma(sum + 1.0) - alpha.iter().map(|a| a / sum * digamma(a + 1.0)).sum::<f64>()
        })
    }

    /// Per group the summed leave-one-out losses of its votes and their number, the Dirichlet being
    /// fitted on other groups; with a single group it is the uniform one of half a vote a class.
    pub(super) fn held_out_losses(&self) -> Vec<(f64, f64)> {
        let folds = self.groups.len().min(FOLDS);
        let priors: Vec<[f64; 3]> =
            (0..folds).map(|fold| self.fitted(&self.weights(&|group| group % folds != fold))).collect();
        let of_group = |(group, counts): (usize, &Vec<(usize, f64)>)| {
            counts.iter().fold((0.0, 0.0), |sum, (pattern, count)| {
                let pattern = &self.patterns[*pattern];
                let votes = count * total(pattern);
                (sum.0 + votes * leave_one_out(pattern, priors[group % folds]), sum.1 + votes)
            })
        };
        self.groups.iter().enumerate().map(of_group).collect()
    }
}

fn total(pattern: &Pattern) -> f64 {
    pattern.iter().sum()
}

pub(super) fn entropy(shares: [f64; 3]) -> f64 {
    Target::new(shares).map_or(0.0, Target::entropy)
}

/// The entropy of the shares of some votes.
pub(super) fn plug_in(votes: &Pattern) -> f64 {
    entropy(votes.map(|count| count / total(votes)))
}

/// The mean log loss of the votes of a battle, each predicted from the others and a Dirichlet prior.
fn leave_one_out(pattern: &Pattern, prior: [f64; 3]) -> f64 {
    let votes = total(pattern);
    let weight: f64 = votes - 1.0 + prior.iter().sum::<f64>();
    let of_class = |(count, alpha): (&f64, f64)| {
        if *count > 0.0 { -count / votes * ((count - 1.0 + alpha) / weight).ln() } else { 0.0 }
    };
    pattern.iter().zip(prior).map(of_class).sum()
}

/// Where a function with one valley in `low..high` is least, to 1e-6.
fn golden_section(value: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    const SHARE: f64 = 0.618_033_988_749_894_9;
    let (mut left, mut right) = (high - SHARE * (high - low), low + SHARE * (high - low));
    let (mut at_left, mut at_right) = (value(left), value(right));
    while high - low > 1e-6 {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - SHARE * (high - low);
            at_left = value(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + SHARE * (high - low);
            at_right = value(right);
        }
    }
    f64::midpoint(low, high)
}

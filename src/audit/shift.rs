use std::collections::BTreeMap;

use ndarray::{Array2, Axis, concatenate};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use super::discriminant::cross_fitted;
use super::estimates::{Estimate, jackknife};
use super::tokens::tokens;
use super::view::View;
use crate::battle::{Battle, BattleId, Class, GroupId, Target, normalised_prompt};
use crate::features::{FeatureGroup, FeatureSet};
use crate::metrics::{Groups, auc};
use crate::splits::{GroupedRow, assign};

/// Rows of each file that are looked at; the interval is narrow with far fewer.
const MOST_ROWS: usize = 10_000;

/// Words of the prompts that are columns: the most frequent ones.
const WORDS: usize = 300;

/// A word must stand in at least one prompt of so many.
const RAREST_WORD: usize = 500;

/// Folds of the classifier.
const FOLDS: usize = 5;

/// Above it, with the whole interval, the files are called different.
const TOLD_APART: f64 = 0.55;

/// How many columns are named when the files differ.
const NAMED: usize = 12;

/// How well a classifier tells the rows of two files apart: 0.5 is not at all, and then scores on the
/// one promise scores on the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// Rows of the audited file that were looked at, drawn at random where it has more.
    pub rows_here: usize,
    /// Rows of the other file that were looked at.
    pub rows_there: usize,
    /// Columns: dense features and frequent words of the prompts.
    pub columns: usize,
    /// The area under the ROC curve of Fisher's discriminant with a ridge on normal scores, their
    /// squares and words, cross-fitted in folds grouped by prompt; pairs of rows are compared within
    /// their fold. The interval leaves out prompts.
    pub auc: Estimate,
    /// Whether the whole interval lies above 0.55.
    pub told_apart: bool,
    /// The columns that differ most, when the files are told apart.
    pub differences: Vec<Difference>,
}

/// One column by which two files differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The feature, or `word` and the word.
    pub column: String,
    /// Its mean in the audited file; for a word the share of prompts with it.
    pub here: f64,
    /// Its mean in the other file.
    pub there: f64,
    /// The AUC of this column alone: above 0.5 it is larger here.
    pub auc: f64,
}

/// None where there are fewer than two prompts.
pub(super) fn shift(here: &View<'_>, there: &View<'_>, seed: u64) -> Option<Shift> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let ours = sampled(here, &mut generator);
    let theirs = sampled(there, &mut generator);
    let battles: Vec<&Battle> = ours
        .iter()
        .map(|row| here.battles[*row])
        .chain(theirs.iter().map(|row| there.battles[*row]))
        .collect();
    let group = |view: &View<'_>, row: &usize| GroupId(format!("{:032x}", view.prompts[*row]));
    let names: Vec<GroupId> =
        ours.iter().map(|row| group(here, row)).chain(theirs.iter().map(|row| group(there, row))).collect();
    let here_first: Vec<bool> = (0..battles.len()).map(|row| row < ours.len()).collect();
    let columns = Columns::new(&battles);
    let groups = Groups::new(names.iter());
    let folds = u32::try_from(groups.count().min(FOLDS)).unwrap_or(1);
    let part = folds_of(&names, &here_first, folds, seed)?;
    let scores = cross_fitted(&columns.standardised(), &here_first, &part, folds);
    let area = jackknife(groups.count(), |kept| {
        let kept: Vec<bool> = groups.of_rows().iter().map(|group| kept(*group)).collect();
        within_folds(&scores, &here_first, &part, &kept)
    })?
    .within(0.0, 1.0);
    let told_apart = area.interval.is_some_and(|[low, _]| low > TOLD_APART);
    Some(Shift {
        rows_here: ours.len(),
        rows_there: theirs.len(),
        columns: columns.names.len(),
        auc: area,
        told_apart,
        differences: if told_apart { columns.differences(&here_first) } else { Vec::new() },
    })
}

/// Rows of a file in random order, at most `MOST_ROWS`, ascending.
fn sampled(view: &View<'_>, generator: &mut ChaCha8Rng) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..view.len()).collect();
    if rows.len() > MOST_ROWS {
        rows.shuffle(generator);
        rows.truncate(MOST_ROWS);
        rows.sort_unstable();
    }
    rows
}

fn folds_of(names: &[GroupId], here: &[bool], folds: u32, seed: u64) -> Option<Vec<u32>> {
    let id = BattleId(String::new());
    let row = |(group, here): (_, &bool)| {
        let target = Target::one_hot(if *here { Class::A } else { Class::B });
        GroupedRow { id: &id, group, target }
    };
    let rows: Vec<GroupedRow<'_>> = names.iter().zip(here).map(row).collect();
    assign(&rows, folds, seed).ok()
}

/// The AUC over pairs of rows of one fold, because folds have different scales.
fn within_folds(scores: &[f64], here: &[bool], part: &[u32], kept: &[bool]) -> Option<f64> {
    let (mut area, mut pairs) = (0.0, 0.0);
    for fold in 0..=part.iter().copied().max().unwrap_or(0) {
        let rows: Vec<(f64, f64, f64)> = (0..scores.len())
            .filter(|row| part[*row] == fold && kept[*row])
            .map(|row| (scores[row], f64::from(here[row]), f64::from(!here[row])))
            .collect();
        let ours: f64 = rows.iter().map(|row| row.1).sum();
        let of_fold = ours * (rows.len() as f64 - ours);
        area += auc(&rows).unwrap_or(0.0) * of_fold;
        pairs += of_fold;
    }
    (pairs > 0.0).then(|| area / pairs)
}

/// What the classifier sees: dense features first, then words.
struct Columns {
    names: Vec<String>,
    values: Array2<f64>,
    dense: usize,
}

impl Columns {
    fn new(battles: &[&Battle]) -> Self {
        let set = FeatureSet::new(&FeatureGroup::ALL);
        let mut names: Vec<String> = set.columns().into_iter().map(|column| column.name).collect();
        let dense = names.len();
        let (words, found) = words(battles);
        names.extend(words.into_iter().map(|word| format!("word `{word}`")));
        let mut present = Array2::zeros((battles.len(), names.len() - dense));
        for (row, words) in found.iter().enumerate() {
            for word in words {
                present[[row, *word]] = 1.0;
            }
        }
        let values = concatenate(Axis(1), &[set.extract(battles).view(), present.view()]).unwrap_or(present);
        Self { names, values, dense }
    }

    /// Normal scores of the dense features, their squares (a spread can differ where the middle does
    /// not), and the words, each with mean 0 and variance 1; a constant column is 0.
    fn standardised(&self) -> Array2<f64> {
        let (rows, columns) = self.values.dim();
        let of_column = |column: usize| {
            let values = self.values.column(column).to_vec();
            standardised(if column < self.dense { normal_scores(&values) } else { values })
        };
        let mut scaled: Vec<Vec<f64>> = (0..columns).into_par_iter().map(of_column).collect();
        let squares: Vec<Vec<f64>> = scaled[..self.dense]
            .par_iter()
            .map(|values| standardised(values.iter().map(|value| value * value).collect()))
            .collect();
        scaled.extend(squares);
        let mut result = Array2::zeros((rows, scaled.len()));
        for (mut column, values) in result.columns_mut().into_iter().zip(scaled) {
            column.assign(&ndarray::Array1::from_vec(values));
        }
        result
    }

    fn differences(&self, here: &[bool]) -> Vec<Difference> {
        let of_column = |(name, values): (&String, ndarray::ArrayView1<'_, f64>)| {
            let mean = |kind: bool| {
                let (mut sum, mut count) = (0.0, 0.0);
                for (value, _) in values.iter().zip(here).filter(|(_, here)| **here == kind) {
                    sum += value;
                    count += 1.0;
                }
                sum / count
            };
            let rows: Vec<(f64, f64, f64)> =
                values.iter().zip(here).map(|(v, here)| (*v, f64::from(*here), f64::from(!*here))).collect();
            Difference {
                column: name.clone(),
                here: mean(true),
                there: mean(false),
                auc: auc(&rows).unwrap_or(0.5),
            }
        };
        let mut all: Vec<Difference> = self.names.iter().zip(self.values.columns()).map(of_column).collect();
        all.sort_by(|one, other| (other.auc - 0.5).abs().total_cmp(&(one.auc - 0.5).abs()));
        all.truncate(NAMED);
        all
    }
}

/// The most frequent words of the prompts, and which of them each prompt has.
fn words(battles: &[&Battle]) -> (Vec<String>, Vec<Vec<usize>>) {
    let words_of = |battle: &&Battle| {
        let prompt = normalised_prompt(battle);
        let mut words: Vec<String> = tokens(&prompt).map(|token| token.text.to_owned()).collect();
        words.sort_unstable();
        words.dedup();
        words
    };
    let prompts: Vec<Vec<String>> = battles.par_iter().map(words_of).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in prompts.iter().flatten() {
        *counts.entry(word).or_default() += 1;
    }
    let mut frequent: Vec<(&str, usize)> =
        counts.into_iter().filter(|(_, count)| *count >= 2 && count * RAREST_WORD >= battles.len()).collect();
    frequent.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    frequent.truncate(WORDS);
    let places: BTreeMap<&str, usize> =
        frequent.iter().enumerate().map(|(place, (word, _))| (*word, place)).collect();
    let found =
        |words: &Vec<String>| words.iter().filter_map(|word| places.get(word.as_str()).copied()).collect();
    let found = prompts.iter().map(found).collect();
    (frequent.into_iter().map(|(word, _)| word.to_owned()).collect(), found)
}

/// Each value by the normal quantile of its mean rank: no scale and no outlier matters.
fn normal_scores(values: &[f64]) -> Vec<f64> {
    let Ok(normal) = Normal::new(0.0, 1.0) else { return values.to_vec() };
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|one, other| values[*one].total_cmp(&values[*other]).then(one.cmp(other)));
    let mut scores = vec![0.0; values.len()];
    let mut below = 0.0;
    for equal in order.chunk_by(|one, other| values[*one] >= values[*other]) {
        let score = normal.inverse_cdf((below + equal.len() as f64 / 2.0) / values.len() as f64);
        below += equal.len() as f64;
        for row in equal {
            scores[*row] = score;
        }
    }
    scores
}

fn standardised(mut values: Vec<f64>) -> Vec<f64> {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let spread = (values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count).sqrt();
    let scale = if spread > 1e-12 { 1.0 / spread } else { 0.0 };
    for value in &mut values {
        *value = (*value - mean) * scale;
    }
    values
}

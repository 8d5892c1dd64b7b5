//! Local scores against those of the leaderboard, with the noise of both.

use serde::Serialize;

use super::Entry;
use crate::submissions::correlation::{interval, pearson, spearman};

/// One entry with both scores.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The run.
    pub run: String,
    /// Its local score.
    pub local: f64,
    /// The standard error of the local score.
    pub local_standard_error: Option<f64>,
    /// Its public score.
    pub public: f64,
    /// The standard error of the public score: the spread of single rows, as seen locally, over the root of
    /// the public rows; absent where their number is not known.
    pub public_standard_error: Option<f64>,
    /// Public minus local.
    pub difference: f64,
    /// The standard error of the difference.
    pub difference_standard_error: Option<f64>,
}

/// What the log says about how far local scores can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Entries with a local and a public score, oldest first.
    pub comparisons: Vec<Comparison>,
    /// Pearson's correlation of local and public scores; from 3 entries on.
    pub pearson: Option<f64>,
    /// Its 95 % interval; from 4 entries on.
    pub pearson_interval: Option<[f64; 2]>,
    /// Spearman's rank correlation of the two; from 3 entries on.
    pub spearman: Option<f64>,
    /// Mean of public minus local: the two splits need not be equally hard, so a constant shift is harmless.
    pub mean_shift: Option<f64>,
    /// Standard deviation of public minus local over the entries: what is left beside the shift.
    pub shift_standard_deviation: Option<f64>,
}

/// Fewer entries than this have no correlation worth a number.
const LEAST: usize = 3;

/// Compares the local and public scores of the entries that have both.
#[must_use]
pub fn summary<'a>(entries: impl Iterator<Item = &'a Entry>) -> Summary {
    let comparisons: Vec<Comparison> = entries.filter_map(comparison).collect();
    let n = comparisons.len();
    if n < LEAST {
        return Summary { comparisons, ..Summary::default() };
    }
    let (local, public): (Vec<f64>, Vec<f64>) = comparisons.iter().map(|c| (c.local, c.public)).unzip();
    let mean = comparisons.iter().map(|c| c.difference).sum::<f64>() / n as f64;
    let squares: f64 = comparisons.iter().map(|c| (c.difference - mean).powi(2)).sum();
    let pearson = pearson(&local, &public);
    Summary {
        pearson,
        pearson_interval: pearson.filter(|_| n > LEAST).map(|r| interval(r, n)),
        spearman: spearman(&local, &public),
        mean_shift: Some(mean),
        shift_standard_deviation: Some((squares / (n - 1) as f64).sqrt()),
        comparisons,
    }
}

fn comparison(entry: &Entry) -> Option<Comparison> {
    let (local, public) = (entry.local?, entry.public?);
    let spread = entry.standard_error.zip(entry.n).map(|(error, n)| error * (n as f64).sqrt());
    let rows = entry.public_rows.filter(|rows| *rows > 0);
    let public_standard_error = spread.zip(rows).map(|(spread, rows)| spread / (rows as f64).sqrt());
    Some(Comparison {
        run: entry.run.clone(),
        local,
        local_standard_error: entry.standard_error,
        public,
        public_standard_error,
        difference: public - local,
        difference_standard_error: entry
            .standard_error
            .zip(public_standard_error)
            .map(|(one, other)| one.hypot(other)),
    })
}

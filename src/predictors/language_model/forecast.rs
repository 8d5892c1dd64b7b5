//! How long a run will take, from the longest batch and a sample of the others.
//!
//! A batch of `r` rows padded to `s` tokens is taken to cost `a + b r s + c r s^2` seconds: a fixed part,
//! one a token (projections), one a pair of tokens (attention); none of them negative.

use serde::{Deserialize, Serialize};

/// What one batch took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Rows of the batch.
    pub rows: usize,
    /// Tokens of a padded row.
    pub sequence: usize,
    /// Seconds of the session, measured while its neighbours were busy too.
    pub seconds: f64,
}

/// Seconds of a batch as a function of its shape.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpeedModel {
    /// Seconds a batch.
    pub fixed: f64,
    /// Seconds a padded token.
    pub per_token: f64,
    /// Seconds a pair of tokens of one row.
    pub per_pair: f64,
    /// Mean relative error on the batches that it was fitted to.
    pub relative_error: f64,
}

/// The time that a run is expected to take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Batches.
    pub batches: usize,
    /// Padded tokens of all of them.
    pub padded_tokens: usize,
    /// Seconds from the first batch to the last result, loading left out.
    pub seconds: f64,
}

fn features(rows: usize, sequence: usize) -> [f64; 3] {
    let tokens = rows as f64 * sequence as f64;
    [1.0, tokens, tokens * sequence as f64]
}

impl SpeedModel {
    /// The least squares of relative errors among all models without a negative part.
    ///
    /// `None` without a batch that took time.
    #[must_use]
    pub fn fit(timings: &[Timing]) -> Option<Self> {
        let measured: Vec<&Timing> = timings.iter().filter(|timing| timing.seconds > 0.0).collect();
        // With three coefficients every subset of them can be tried: the best admissible one is the optimum.
        (1_u8..8).filter_map(|subset| fit_subset(&measured, subset)).min_by(|a, b| a.0.total_cmp(&b.0)).map(
            |(_, [fixed, per_token, per_pair])| {
                let mut model = Self { fixed, per_token, per_pair, relative_error: 0.0 };
                let errors = measured.iter().map(|timing| {
                    (model.batch_seconds(timing.rows, timing.sequence) / timing.seconds - 1.0).abs()
                });
                model.relative_error = errors.sum::<f64>() / measured.len() as f64;
                model
            },
        )
    }

    /// Seconds of one batch.
    #[must_use]
    pub fn batch_seconds(&self, rows: usize, sequence: usize) -> f64 {
        let [one, tokens, pairs] = features(rows, sequence);
        self.fixed * one + self.per_token * tokens + self.per_pair * pairs
    }

    /// Seconds until the last of the batches is done, when each goes to the copy that is free first.
    #[must_use]
    pub fn forecast(&self, shapes: &[(usize, usize)], copies: usize) -> Forecast {
        let mut free_at = vec![0.0_f64; copies.max(1)];
        for (rows, sequence) in shapes {
            free_at.sort_unstable_by(f64::total_cmp);
            free_at[0] += self.batch_seconds(*rows, *sequence);
        }
        Forecast {
            batches: shapes.len(),
            padded_tokens: shapes.iter().map(|(rows, sequence)| rows * sequence).sum(),
            seconds: free_at.into_iter().fold(0.0, f64::max),
        }
    }
}

/// Weighted least squares with the coefficients of `subset`; `None` when one is negative or undetermined.
fn fit_subset(timings: &[&Timing], subset: u8) -> Option<(f64, [f64; 3])> {
    let chosen: Vec<usize> = (0..3).filter(|bit| subset >> bit & 1 == 1).collect();
    if timings.len() < chosen.len() {
        return None;
    }
    // Columns are scaled to their largest value: a pair count is 10^6 times a batch count.
    let row = |timing: &Timing| features(timing.rows, timing.sequence).map(|x| x / timing.seconds);
    let scale = timings
        .iter()
        .map(|timing| row(timing))
        .fold([0.0_f64; 3], |largest, x| [0, 1, 2].map(|column| largest[column].max(x[column])));
    let mut system = vec![vec![0.0; chosen.len() + 1]; chosen.len()];
    for timing in timings {
        let x = row(timing);
        for (i, a) in chosen.iter().enumerate() {
            for (j, b) in chosen.iter().enumerate() {
                system[i][j] += x[*a] / scale[*a] * x[*b] / scale[*b];
            }
            system[i][chosen.len()] += x[*a] / scale[*a];
        }
    }
    let solution = solve(system)?;
    let mut coefficients = [0.0; 3];
    for (column, value) in chosen.iter().zip(solution) {
        coefficients[*column] = value / scale[*column];
    }
    if coefficients.iter().any(|value| *value < 0.0) {
        return None;
    }
    let error = timings.iter().map(|timing| {
        let predicted: f64 = row(timing).iter().zip(coefficients).map(|(x, c)| x * c).sum();
        (predicted - 1.0).powi(2)
    });
    Some((error.sum(), coefficients))
}

/// Gaussian elimination with pivots; rows are `[coefficients.., right side]`.
fn solve(mut system: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let size = system.len();
    for column in 0..size {
        let pivot =
            (column..size).max_by(|a, b| system[*a][column].abs().total_cmp(&system[*b][column].abs()))?;
        if system[pivot][column].abs() < 1e-12 {
            return None;
        }
        system.swap(column, pivot);
        let lead = system[column].clone();
        for row in system.iter_mut().skip(column + 1) {
            let factor = row[column] / lead[column];
            row.iter_mut().zip(&lead).for_each(|(value, above)| *value -= factor * above);
        }
    }
    let mut solution = vec![0.0; size];
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|column| system[row][column] * solution[column]).sum();
        solution[row] = (system[row][size] - known) / system[row][row];
    }
    Some(solution)
}

/// Positions of the batches to measure: the longest, which is the first, and others spread evenly over the
/// padded tokens, so that the kinds of batches that take the time are the ones that are seen.
#[must_use]
pub fn sample(shapes: &[(usize, usize)], count: usize) -> Vec<usize> {
    let total: usize = shapes.iter().map(|(rows, sequence)| rows * sequence).sum();
    let mut chosen = Vec::with_capacity(count);
    let mut before = 0;
    for (position, (rows, sequence)) in shapes.iter().enumerate() {
        if before * count >= total * chosen.len() && chosen.len() < count {
            chosen.push(position);
        }
        before += rows * sequence;
    }
    chosen
}

/// Lengths of `rows` rows that are distributed as `lengths`: what `--like FILE --rows N` forecasts.
///
/// Empty where there is nothing to be like.
#[must_use]
pub fn scaled(lengths: &[usize], rows: usize) -> Vec<usize> {
    if lengths.is_empty() {
        return Vec::new();
    }
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable();
    (0..rows).map(|row| sorted[(2 * row + 1) * sorted.len() / (2 * rows)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTH: SpeedModel =
        SpeedModel { fixed: 0.002, per_token: 4e-5, per_pair: 3e-8, relative_error: 0.0 };

    fn shapes() -> Vec<(usize, usize)> {
        (0..60).map(|batch| 512 - 8 * batch).map(|sequence| ((1024 / sequence).max(1), sequence)).collect()
    }

    fn timings(noise: f64) -> Vec<Timing> {
        let shapes = shapes();
        let measure = |(index, position): (usize, usize)| {
            let (rows, sequence) = shapes[position];
            let factor = if index % 2 == 0 { 1.0 + noise } else { 1.0 - noise };
            Timing { rows, sequence, seconds: TRUTH.batch_seconds(rows, sequence) * factor }
        };
        sample(&shapes, 12).into_iter().enumerate().map(measure).collect()
    }

    #[test]
    fn the_speed_that_made_the_timings_is_found_again() {
        let model = SpeedModel::fit(&timings(0.0)).unwrap();
        assert!((model.per_token / TRUTH.per_token - 1.0).abs() < 1e-6, "{model:?}");
        assert!((model.per_pair / TRUTH.per_pair - 1.0).abs() < 1e-6, "{model:?}");
        assert!(model.relative_error < 1e-9);
    }

    #[test]
    fn a_noisy_sample_still_forecasts_within_fifteen_percent_and_nothing_is_negative() {
        let model = SpeedModel::fit(&timings(0.2)).unwrap();
        let ratio = model.forecast(&shapes(), 2).seconds / TRUTH.forecast(&shapes(), 2).seconds;
        assert!((ratio - 1.0).abs() < 0.15, "{ratio}");
        assert!(model.fixed >= 0.0 && model.per_token >= 0.0 && model.per_pair >= 0.0);
    }

    #[test]
    fn one_timing_is_enough_and_none_is_not() {
        let one = Timing { rows: 2, sequence: 100, seconds: 0.5 };
        let model = SpeedModel::fit(&[one]).unwrap();
        assert!((model.batch_seconds(2, 100) - 0.5).abs() < 1e-9);
        assert_eq!(SpeedModel::fit(&[]), None);
    }

    #[test]
    fn the_longest_batch_is_always_in_the_sample() {
        let chosen = sample(&shapes(), 8);
        assert_eq!((chosen[0], chosen.len()), (0, 8));
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(sample(&shapes()[..3], 8), [0, 1, 2]);
        assert!(sample(&[], 8).is_empty());
    }

    #[test]
    fn copies_share_the_batches() {
        let shapes = [(1, 100), (1, 100), (1, 100)];
        let one = TRUTH.forecast(&shapes, 1).seconds;
        assert!((TRUTH.forecast(&shapes, 2).seconds / one - 2.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn scaled_lengths_keep_their_distribution() {
        assert_eq!(scaled(&[30, 10, 20], 6), [10, 10, 20, 20, 30, 30]);
        assert_eq!(scaled(&[30, 10, 20], 3), [10, 20, 30]);
        assert!(scaled(&[], 3).is_empty());
    }
}

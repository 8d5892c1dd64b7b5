use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{Groups, clustered_mean};

/// Below so many groups an interval is unreliable, whatever the method.
pub const MIN_RELIABLE_GROUPS: usize = 30;

/// How often to resample, and with which seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resampling {
    /// How many samples of groups are drawn.
    pub replicates: u32,
    /// Decides every draw; each replicate has its own stream, so that threads change nothing.
    pub seed: u64,
}

impl Resampling {
    /// 2,000 replicates.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        Self { replicates: 2_000, seed }
    }

    /// The generator of one replicate.
    pub(crate) fn generator(self, replicate: u32) -> ChaCha8Rng {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(u64::from(replicate));
        generator
    }
}

/// The 95 % percentile interval of the (weighted) mean when whole groups are drawn with replacement.
///
/// Each replicate draws as many groups as there are and takes the ratio of the summed values to the
/// summed weights (Efron and Tibshirani 1993; Field and Welsh 2007 for clusters). The ends are
/// quantiles with linear interpolation. No group at all gives `[0, 0]`.
#[must_use]
pub fn bootstrap_interval(
    values: &[f64],
    weights: Option<&[f64]>,
    groups: &Groups,
    resampling: Resampling,
) -> [f64; 2] {
    let count = groups.count();
    let weighted: Vec<f64> = match weights {
        Some(weights) => values.iter().zip(weights).map(|(value, weight)| value * weight).collect(),
        None => values.to_vec(),
    };
    let sums = groups.sums(&weighted);
    let totals = weights.map_or_else(|| groups.sizes(), |weights| groups.sums(weights));
    let mut means: Vec<f64> = (0..resampling.replicates)
        .into_par_iter()
        .map(|replicate| {
            let mut generator = resampling.generator(replicate);
            let (mut sum, mut total) = (0.0, 0.0);
            for _ in 0..count {
                let group = generator.random_range(0..count);
                sum += sums[group];
                total += totals[group];
            }
            if total > 0.0 { sum / total } else { 0.0 }
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    [quantile(&means, 0.025), quantile(&means, 0.975)]
}

/// The 95 % interval of a mean: groups resampled where there are at least 30, else Student's t on the
/// clustered error, because so few groups resampled give an interval that is too narrow.
#[must_use]
pub fn mean_interval(values: &[f64], groups: &Groups, seed: u64) -> [f64; 2] {
    if groups.count() < MIN_RELIABLE_GROUPS {
        clustered_mean(values, None, groups).interval()
    } else {
        bootstrap_interval(values, None, groups, Resampling::with_seed(seed))
    }
}

/// The quantile of ascending values with linear interpolation (NumPy's default); 0 for none.
#[must_use]
pub fn quantile(ascending: &[f64], probability: f64) -> f64 {
    let Some(last) = ascending.len().checked_sub(1) else { return 0.0 };
    let position = probability.clamp(0.0, 1.0) * last as f64;
    let below = position.floor();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..len")]
    let low = below as usize;
    let high = (low + 1).min(last);
    ascending[low] + (position - below) * (ascending[high] - ascending[low])
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact values are tested")]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_interval_and_another_seed_another() {
        let values: Vec<f64> = (0..200).map(|row| f64::from(row % 17)).collect();
        let groups = Groups::of_single_rows(200);
        let interval = |seed| bootstrap_interval(&values, None, &groups, Resampling::with_seed(seed));
        assert_eq!(interval(1), interval(1));
        assert_ne!(interval(1), interval(2));
    }

    #[test]
    fn quantiles_interpolate() {
        assert!((quantile(&[0.0, 1.0, 2.0, 3.0], 0.5) - 1.5).abs() < 1e-15);
        assert_eq!(quantile(&[5.0], 0.975), 5.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn few_groups_get_the_wider_interval_of_student() {
        let values = [0.0, 1.0, 0.0, 1.0, 0.5];
        let groups = Groups::of_single_rows(5);
        let few = mean_interval(&values, &groups, 0);
        let resampled = bootstrap_interval(&values, None, &groups, Resampling::with_seed(0));
        assert!(few[1] - few[0] > resampled[1] - resampled[0]);
    }
}

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::metrics::{Groups, clustered_mean, student_quantile};

/// An estimate with its 95 % interval; groups (prompt, session) are what is independent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Low and high end; none with fewer than two groups.
    pub interval: Option<[f64; 2]>,
}

impl Estimate {
    /// The same within a range that the quantity cannot leave.
    pub(super) fn within(self, low: f64, high: f64) -> Self {
        Self { interval: self.interval.map(|ends| ends.map(|end| end.clamp(low, high))), ..self }
    }
}

/// A mean of shares of rows, clustered by group. None without rows.
pub(super) fn share(values: &[f64], weights: Option<&[f64]>, groups: &Groups) -> Option<Estimate> {
    if weights.map_or(values.len() as f64, |weights| weights.iter().sum()) <= 0.0 {
        return None;
    }
    let mean = clustered_mean(values, weights, groups);
    let interval = (groups.count() > 1).then(|| mean.interval());
    Some(Estimate { value: mean.value, interval }.within(0.0, 1.0))
}

/// So many blocks of groups are left out in turn, or every group where there are fewer.
const BLOCKS: usize = 100;

/// A statistic of all groups, and its interval by leaving out blocks of groups in turn: the
/// delete-a-group jackknife (Kott 2001), standard error sqrt((B-1)/B sum over blocks (without block -
/// their mean)^2), Student's t on B - 1 degrees of freedom. It also holds for few groups.
///
/// `statistic` is told which groups (0..`groups`) are kept; none when it is not defined on them.
pub(super) fn jackknife(
    groups: usize,
    statistic: impl Fn(&(dyn Fn(usize) -> bool + Sync)) -> Option<f64> + Sync,
) -> Option<Estimate> {
    let value = statistic(&|_| true)?;
    let blocks = groups.min(BLOCKS);
    let without: Option<Vec<f64>> =
        (0..blocks).into_par_iter().map(|block| statistic(&|group| group % blocks != block)).collect();
    let interval = without.filter(|values| values.len() > 1).map(|values| {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let reach = student_quantile(0.975, count - 1.0) * ((count - 1.0) / count * squares).sqrt();
        [value - reach, value + reach]
    });
    Some(Estimate { value, interval })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jackknife_of_a_mean_is_its_ordinary_interval() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let mean_of = |kept: &(dyn Fn(usize) -> bool + Sync)| {
            let kept: Vec<f64> = (0..values.len()).filter(|n| kept(*n)).map(|n| values[n]).collect();
            (!kept.is_empty()).then(|| kept.iter().sum::<f64>() / kept.len() as f64)
        };
        let [low, high] = jackknife(values.len(), mean_of).unwrap().interval.unwrap();
        let expected = clustered_mean(&values, None, &Groups::of_single_rows(8)).interval();
        assert!((low - expected[0]).abs() < 1e-10 && (high - expected[1]).abs() < 1e-10);
    }

    #[test]
    fn one_group_has_no_interval() {
        assert_eq!(jackknife(1, |_| Some(0.5)), Some(Estimate { value: 0.5, interval: None }));
        assert_eq!(share(&[], None, &Groups::of_single_rows(0)), None);
    }
}

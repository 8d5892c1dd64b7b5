use super::{Groups, student_quantile};

/// A mean with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The (weighted) mean.
    pub value: f64,
    /// Its standard error, clustered by group.
    pub standard_error: f64,
    /// Rows.
    pub n: usize,
    /// Groups: the number of independent observations.
    pub n_groups: usize,
}

/// The mean of `values` and its standard error when only the groups are independent.
///
/// The mean is a ratio of group sums, `sum_i w_i x_i / sum_i w_i`. With `u_g` the sum over group `g` of
/// `w_i (x_i - mean)`, its variance is `G / (G - 1) sum_g u_g^2 / (sum_i w_i)^2`: what a regression on
/// a constant with clustered errors gives (CR1; Liang and Zeger 1986, Cameron and Miller 2015). Without
/// `weights` every row counts 1.
///
/// A single group says nothing about the spread between groups: the error then treats the rows as
/// independent, and a single row has the error 0. Callers warn about both.
#[must_use]
pub fn clustered_mean(values: &[f64], weights: Option<&[f64]>, groups: &Groups) -> Estimate {
    let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
    let total: f64 = (0..values.len()).map(weight).sum();
    if total <= 0.0 {
        return Estimate { value: 0.0, standard_error: 0.0, n: values.len(), n_groups: groups.count() };
    }
    let mean = values.iter().enumerate().map(|(row, value)| weight(row) * value).sum::<f64>() / total;
    let residuals: Vec<f64> =
        values.iter().enumerate().map(|(row, value)| weight(row) * (value - mean)).collect();
    let sums = if groups.count() > 1 { groups.sums(&residuals) } else { residuals };
    let count = sums.len() as f64;
    let squares: f64 = sums.iter().map(|sum| sum * sum).sum();
    let correction = if count > 1.0 { count / (count - 1.0) } else { 0.0 };
    Estimate {
        value: mean,
        standard_error: (correction * squares).sqrt() / total,
        n: values.len(),
        n_groups: groups.count(),
    }
}

/// The mean of `ours - theirs` on the same rows, with its clustered standard error: negative is better
/// for us where the values are losses.
#[must_use]
pub fn paired_difference(ours: &[f64], theirs: &[f64], groups: &Groups) -> Estimate {
    let differences: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours - theirs).collect();
    clustered_mean(&differences, None, groups)
}

impl Estimate {
    /// The degrees of freedom of the standard error: groups less one.
    fn freedom(&self) -> f64 {
        let units = if self.n_groups > 1 { self.n_groups } else { self.n };
        units.saturating_sub(1).max(1) as f64
    }

    /// The 95 % interval by Student's t with as many degrees of freedom as groups less one.
    #[must_use]
    pub fn interval(&self) -> [f64; 2] {
        let half = student_quantile(0.975, self.freedom()) * self.standard_error;
        [self.value - half, self.value + half]
    }

    /// The smallest true difference that a two-sided test at 5 % finds with a probability of 80 % when
    /// the standard error is this one: `(t_0.975 + t_0.8) * standard_error`.
    #[must_use]
    pub fn minimum_detectable_effect(&self) -> f64 {
        let freedom = self.freedom();
        (student_quantile(0.975, freedom) + student_quantile(0.8, freedom)) * self.standard_error
    }

    /// The two-sided p-value of the hypothesis that the mean is 0.
    #[must_use]
    pub fn p_value(&self) -> f64 {
        use statrs::distribution::{ContinuousCDF, StudentsT};
        if self.standard_error <= 0.0 {
            return if self.value == 0.0 { 1.0 } else { 0.0 };
        }
        let statistic = -(self.value / self.standard_error).abs();
        StudentsT::new(0.0, 1.0, self.freedom()).map_or(1.0, |t| (2.0 * t.cdf(statistic)).min(1.0))
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact values are tested")]
mod tests {
    use super::*;

    #[test]
    fn single_rows_give_the_usual_standard_error() {
        let values = [1.0, 2.0, 4.0, 9.0];
        let estimate = clustered_mean(&values, None, &Groups::of_single_rows(4));
        let variance: f64 = values.iter().map(|v| (v - 4.0) * (v - 4.0)).sum::<f64>() / 3.0;
        assert!((estimate.standard_error - (variance / 4.0).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn one_row_and_no_row_stay_finite() {
        for rows in [0, 1] {
            let estimate = clustered_mean(&vec![2.5; rows], None, &Groups::of_single_rows(rows));
            assert!(estimate.interval().iter().all(|end| end.is_finite()));
            assert_eq!(estimate.minimum_detectable_effect(), 0.0);
        }
    }

    #[test]
    fn a_weight_counts_like_repeated_rows_of_one_group() {
        let groups = Groups::of_single_rows(3);
        let weighted = clustered_mean(&[1.0, 2.0, 5.0], Some(&[2.0, 1.0, 1.0]), &groups);
        let names = ["a", "a", "b", "c"].map(|name| crate::battle::GroupId(name.to_owned()));
        let repeated = clustered_mean(&[1.0, 1.0, 2.0, 5.0], None, &Groups::new(names.iter()));
        assert!((weighted.value - repeated.value).abs() < 1e-15);
        assert!((weighted.standard_error - repeated.standard_error).abs() < 1e-15);
    }

    #[test]
    fn two_percent_effects_need_small_errors() {
        let estimate = Estimate { value: 0.0, standard_error: 1.0, n: 100_000, n_groups: 100_000 };
        assert!((estimate.minimum_detectable_effect() - 2.801_6).abs() < 1e-3);
        assert!((estimate.p_value() - 1.0).abs() < 1e-12);
    }
}

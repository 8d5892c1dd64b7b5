use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// The quantile of Student's t distribution, `probability` in 0..1, `freedom` at least 1.
#[must_use]
pub fn student_quantile(probability: f64, freedom: f64) -> f64 {
    let refined = |distribution: StudentsT| {
        // The library inverts a beta integral to fewer digits than its own distribution function has:
        // two Newton steps give the rest.
        use statrs::distribution::Continuous;
        let mut x = distribution.inverse_cdf(probability);
        for _ in 0..2 {
            let density = distribution.pdf(x);
            if x.is_finite() && density > 0.0 {
                x -= (distribution.cdf(x) - probability) / density;
            }
        }
        x
    };
    StudentsT::new(0.0, 1.0, freedom.max(1.0)).map_or(f64::INFINITY, refined)
}

/// The 95 % interval of a normal estimate: 1.96 standard errors either way.
#[must_use]
pub fn normal_interval(value: f64, standard_error: f64) -> [f64; 2] {
    let quantile = Normal::new(0.0, 1.0).map_or(1.96, |normal| normal.inverse_cdf(0.975));
    [value - quantile * standard_error, value + quantile * standard_error]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_quantiles() {
        assert!((student_quantile(0.975, 1.0) - 12.706_204_736).abs() < 1e-8);
        assert!((student_quantile(0.975, 12.0) - 2.178_812_829_7).abs() < 1e-9);
        assert!((student_quantile(0.8, 30.0) - 0.853_767_3).abs() < 1e-6);
        assert!((student_quantile(0.025, 1e6) + 1.959_966_4).abs() < 1e-5);
        assert!((normal_interval(1.0, 1.0)[1] - 2.959_963_984_5).abs() < 1e-8);
    }
}

//! How far two columns of numbers go together.

/// Pearson's correlation; `None` for fewer than two pairs or a column that does not vary.
#[must_use]
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len().min(y.len());
    if n < 2 {
        return None;
    }
    let mean = |values: &[f64]| values[..n].iter().sum::<f64>() / n as f64;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (a, b) in x[..n].iter().zip(&y[..n]) {
        let (a, b) = (a - mean_x, b - mean_y);
        xx += a * a;
        yy += b * b;
        xy += a * b;
    }
    let scale = (xx * yy).sqrt();
    // A column that is constant up to rounding has no direction.
    let varies = xx > n as f64 * (1e-12 * (1.0 + mean_x.abs())).powi(2)
        && yy > n as f64 * (1e-12 * (1.0 + mean_y.abs())).powi(2);
    (varies && scale.is_finite()).then(|| (xy / scale).clamp(-1.0, 1.0))
}

/// Spearman's correlation: Pearson's of the ranks, equal values sharing their mean rank.
#[must_use]
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len().min(y.len());
    pearson(&ranks(&x[..n]), &ranks(&y[..n]))
}

/// The 95 % interval of a correlation over `n` independent pairs, by Fisher's transformation; the whole
/// range where `n` is below 4.
#[must_use]
pub fn interval(correlation: f64, n: usize) -> [f64; 2] {
    if n < 4 {
        return [-1.0, 1.0];
    }
    let z = correlation.clamp(-0.999_999_999, 0.999_999_999).atanh();
    let half = 1.959_963_984_540_054 / ((n - 3) as f64).sqrt();
    [(z - half).tanh(), (z + half).tanh()]
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    for run in order.chunk_by(|a, b| values[*a].total_cmp(&values[*b]).is_eq()) {
        let first = order.partition_point(|row| values[*row].total_cmp(&values[run[0]]).is_lt());
        for row in run {
            ranks[*row] = first as f64 + f64::midpoint(run.len() as f64, 1.0);
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_of_a_small_table_are_those_of_scipy() {
        // scipy.stats.pearsonr and spearmanr of the same two lists.
        let (x, y) = ([1.0, 2.0, 2.0, 5.0, 9.0], [2.0, 1.0, 4.0, 4.0, 30.0]);
        assert!((pearson(&x, &y).unwrap() - 0.911_717_993_660_271_5).abs() < 1e-12);
        assert!((spearman(&x, &y).unwrap() - 0.763_157_894_736_842_1).abs() < 1e-12);
        let [low, high] = interval(0.497_387_289_060_188_6, 12);
        assert!(
            (low + 0.107_080_644_594_624_92).abs() < 1e-12 && (high - 0.833_395_126_033_499_9).abs() < 1e-12
        );
    }

    #[test]
    fn a_constant_column_has_no_correlation() {
        assert!(pearson(&[0.1; 7], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]).is_none());
        assert!(pearson(&[1.0], &[1.0]).is_none());
        let [low, high] = interval(0.5, 3);
        assert!(low <= -1.0 && high >= 1.0);
    }
}

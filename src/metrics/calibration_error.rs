use super::{Binning, Bins};
use crate::battle::{Class, Probabilities, Target};

/// How many bins the reported calibration errors use.
pub const CALIBRATION_BINS: usize = 15;

/// The expected calibration error, 0..1: the mean over rows of how far the mean prediction of a row's
/// bin is from the observed share there, `sum_b (n_b / n) |mean_b(predicted) - mean_b(observed)|`
/// (Naeini et al. 2015, Guo et al. 2017). `observed` may be fractions: shares of a soft target.
#[must_use]
pub fn calibration_error(bins: &Bins, predicted: &[f64], observed: &[f64]) -> f64 {
    let gaps: Vec<f64> = predicted.iter().zip(observed).map(|(p, y)| p - y).collect();
    bins.sums(&gaps).iter().map(|gap| gap.abs()).sum::<f64>() / predicted.len().max(1) as f64
}

/// The classes that have any predicted or observed mass: two of them in a two-way task.
#[must_use]
pub fn classes_present(predictions: &[Probabilities], targets: &[Target]) -> Vec<Class> {
    let has_mass = |class: &Class| {
        let predicted = predictions.iter().any(|p| p.of(*class) > 0.0);
        predicted || targets.iter().any(|t| t.of(*class) > 0.0)
    };
    Class::ALL.into_iter().filter(has_mass).collect()
}

/// The mean over the classes present of the calibration error of each class's probability, 15 bins of
/// equal width (Kull et al. 2019).
#[must_use]
pub fn classwise_calibration_error(predictions: &[Probabilities], targets: &[Target]) -> f64 {
    let classes = classes_present(predictions, targets);
    let error = |class: &Class| {
        let predicted: Vec<f64> = predictions.iter().map(|p| p.of(*class)).collect();
        let observed: Vec<f64> = targets.iter().map(|t| t.of(*class)).collect();
        let bins = Bins::new(&predicted, Binning::EqualWidth, CALIBRATION_BINS);
        calibration_error(&bins, &predicted, &observed)
    };
    let [a, b, tie] = Class::ALL.map(|class| if classes.contains(&class) { error(&class) } else { 0.0 });
    ((a + b) + tie) / classes.len().max(1) as f64
}

/// The debiased root mean squared calibration error, 0..1: the plug-in estimate over bins less what
/// chance alone adds to it, `sum_b (n_b / n) [(mean_b(p) - y_b)^2 - y_b (1 - y_b) / (n_b - 1)]`, where
/// `y_b` is the observed share; 0 where chance explains all of it (Kumar, Liang and Ma 2019).
/// A bin of one row cannot tell chance from error and adds nothing. Use bins of equal mass.
#[must_use]
pub fn calibration_error_debiased(bins: &Bins, predicted: &[f64], observed: &[f64]) -> f64 {
    let (p, y, sizes) = (bins.sums(predicted), bins.sums(observed), bins.sizes());
    let mut sum = 0.0;
    for ((p, y), size) in p.iter().zip(&y).zip(&sizes).filter(|(_, size)| **size > 1) {
        let n = *size as f64;
        let (p, y) = (p / n, y / n);
        sum += n * ((p - y) * (p - y) - y * (1.0 - y) / (n - 1.0));
    }
    (sum / predicted.len().max(1) as f64).max(0.0).sqrt()
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact values are tested")]
mod tests {
    use super::*;

    fn error(predicted: &[f64], observed: &[f64]) -> f64 {
        let bins = Bins::new(predicted, Binning::EqualWidth, CALIBRATION_BINS);
        calibration_error(&bins, predicted, observed)
    }

    #[test]
    fn certain_predictions_are_off_by_their_share_of_mistakes() {
        assert!((error(&[1.0, 1.0, 1.0, 1.0], &[1.0, 1.0, 1.0, 0.0]) - 0.25).abs() < 1e-15);
        assert_eq!(error(&[0.0], &[0.0]), 0.0);
        assert_eq!(error(&[], &[]), 0.0);
    }

    #[test]
    fn chance_alone_is_taken_out_of_the_debiased_error() {
        let predicted = vec![0.5; 100];
        let observed: Vec<f64> = (0..100).map(|row| f64::from(row % 2)).collect();
        let bins = Bins::new(&predicted, Binning::EqualMass, CALIBRATION_BINS);
        assert_eq!(calibration_error_debiased(&bins, &predicted, &observed), 0.0);
        let wrong = vec![1.0; 100];
        assert!((calibration_error_debiased(&bins, &predicted, &wrong) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn an_absent_class_does_not_dilute_the_classwise_error() {
        let p = [Probabilities::new([0.75, 0.25, 0.0]).unwrap(); 2];
        let t = [Target::one_hot(Class::A); 2];
        assert_eq!(classes_present(&p, &t), [Class::A, Class::B]);
        assert!((classwise_calibration_error(&p, &t) - 0.25).abs() < 1e-12);
    }
}

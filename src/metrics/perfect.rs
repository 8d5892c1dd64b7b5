use rand::RngExt;
use rayon::prelude::*;

use super::{
    Binning, Bins, CALIBRATION_BINS, Resampling, calibration_error, calibration_error_debiased,
    classes_present, smooth_calibration_error, top_label,
};
use crate::battle::{Class, Probabilities, Target};

/// What each calibration error would be on average if the predictions were perfectly calibrated: no
/// error is 0 on finitely many rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct IfPerfect {
    /// Top label, bins of equal width.
    pub top_label: f64,
    /// Top label, bins of equal mass.
    pub top_label_equal_mass: f64,
    /// Mean over the classes present, bins of equal width.
    pub classwise: f64,
    /// Top label, debiased.
    pub debiased: f64,
    /// Top label, smooth.
    pub smooth: f64,
}

/// The class at `uniform` (0..1) when the classes lie side by side on 0..1, A first.
#[must_use]
pub fn draw_class(probabilities: [f64; 3], uniform: f64) -> Class {
    let [a, b, tie] = probabilities;
    let position = uniform * (a + b + tie);
    if position < a {
        Class::A
    } else if position < a + b || tie <= 0.0 {
        Class::B
    } else {
        Class::Tie
    }
}

/// The calibration errors averaged over labels drawn from the predictions themselves, each row once
/// and independently of the others. Soft targets and groups are not imitated: one vote a row.
#[must_use]
pub fn if_perfect(predictions: &[Probabilities], resampling: Resampling) -> IfPerfect {
    let world = World::new(predictions);
    let errors: Vec<IfPerfect> = (0..resampling.replicates)
        .into_par_iter()
        .map(|replicate| world.replicate(resampling, replicate))
        .collect();
    let mean = |of: fn(&IfPerfect) -> f64| errors.iter().map(of).sum::<f64>() / errors.len().max(1) as f64;
    IfPerfect {
        top_label: mean(|e| e.top_label),
        top_label_equal_mass: mean(|e| e.top_label_equal_mass),
        classwise: mean(|e| e.classwise),
        debiased: mean(|e| e.debiased),
        smooth: mean(|e| e.smooth),
    }
}

/// What stays the same in every replicate: the predictions and their bins.
struct World<'a> {
    predictions: &'a [Probabilities],
    values: Vec<[f64; 3]>,
    confidence: Vec<f64>,
    equal_width: Bins,
    equal_mass: Bins,
    classes: Vec<(Class, Vec<f64>, Bins)>,
}

impl<'a> World<'a> {
    fn new(predictions: &'a [Probabilities]) -> Self {
        let values: Vec<[f64; 3]> = predictions.iter().map(|p| p.to_array()).collect();
        let confidence: Vec<f64> =
            predictions.iter().map(|p| top_label(*p, Target::one_hot(Class::A)).confidence).collect();
        let of_class = |class: Class| {
            let predicted: Vec<f64> = values.iter().map(|p| p[class.index()]).collect();
            let bins = Bins::new(&predicted, Binning::EqualWidth, CALIBRATION_BINS);
            (class, predicted, bins)
        };
        Self {
            equal_width: Bins::new(&confidence, Binning::EqualWidth, CALIBRATION_BINS),
            equal_mass: Bins::new(&confidence, Binning::EqualMass, CALIBRATION_BINS),
            classes: classes_present(predictions, &[]).into_iter().map(of_class).collect(),
            predictions,
            values,
            confidence,
        }
    }

    fn replicate(&self, resampling: Resampling, replicate: u32) -> IfPerfect {
        let mut generator = resampling.generator(replicate);
        let labels: Vec<Class> =
            self.values.iter().map(|p| draw_class(*p, generator.random::<f64>())).collect();
        let correct: Vec<f64> = self
            .predictions
            .iter()
            .zip(&labels)
            .map(|(p, label)| top_label(*p, Target::one_hot(*label)).observed)
            .collect();
        let classwise: f64 = self
            .classes
            .iter()
            .map(|(class, predicted, bins)| {
                let observed: Vec<f64> =
                    labels.iter().map(|label| f64::from(u8::from(label == class))).collect();
                calibration_error(bins, predicted, &observed)
            })
            .sum();
        IfPerfect {
            top_label: calibration_error(&self.equal_width, &self.confidence, &correct),
            top_label_equal_mass: calibration_error(&self.equal_mass, &self.confidence, &correct),
            classwise: classwise / self.classes.len().max(1) as f64,
            debiased: calibration_error_debiased(&self.equal_mass, &self.confidence, &correct),
            smooth: smooth_calibration_error(&self.confidence, &correct),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certain_predictions_are_perfect_without_error_and_unsure_ones_with_some() {
        let resampling = Resampling { replicates: 20, seed: 1 };
        let certain = [Probabilities::new([0.0, 1.0, 0.0]).unwrap(); 10];
        assert!(if_perfect(&certain, resampling).top_label < 1e-12);
        let unsure = vec![Probabilities::new([0.4, 0.35, 0.25]).unwrap(); 100];
        let errors = if_perfect(&unsure, resampling);
        // The mean absolute error of a share of 0.4 in 100 draws is 0.039.
        assert!((errors.top_label - 0.039).abs() < 0.02, "{errors:?}");
        assert!(errors.debiased < errors.top_label_equal_mass);
    }

    #[test]
    fn a_class_without_mass_is_never_drawn() {
        assert_eq!(draw_class([0.5, 0.5, 0.0], 1.0), Class::B);
        assert_eq!(draw_class([0.0, 0.0, 1.0], 0.0), Class::Tie);
        assert_eq!(draw_class([1.0, 0.0, 0.0], 0.999), Class::A);
    }
}

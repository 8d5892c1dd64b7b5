use crate::battle::{Probabilities, Target};

/// The area under the ROC curve: how probable it is that a positive row scores above a negative one,
/// an equal score counting half. `rows` holds (score, positive weight, negative weight).
///
/// `None` when there is no positive or no negative weight. For soft labels a row counts with both
/// weights, as if it were split into votes.
#[must_use]
pub fn auc(rows: &[(f64, f64, f64)]) -> Option<f64> {
    let mut sorted = rows.to_vec();
    sorted.sort_unstable_by(|one, other| {
        one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)).then(one.2.total_cmp(&other.2))
    });
    let (mut below, mut area, mut positives) = (0.0, 0.0, 0.0);
    for equal in sorted.chunk_by(|one, other| one.0 >= other.0) {
        let positive: f64 = equal.iter().map(|row| row.1).sum();
        let negative: f64 = equal.iter().map(|row| row.2).sum();
        area += positive * (below + 0.5 * negative);
        below += negative;
        positives += positive;
    }
    (positives > 0.0 && below > 0.0).then(|| area / (positives * below))
}

/// The area under the ROC curve of the log-odds of A against B, on the rows and shares that A or B won.
/// `None` when one of them never won.
#[must_use]
pub fn auc_a_against_b(predictions: &[Probabilities], targets: &[Target]) -> Option<f64> {
    let row = |(prediction, target): (&Probabilities, &Target)| {
        let [a, b, _] = prediction.ln().map(|value| value.max(f64::MIN));
        let [won, lost, _] = target.to_array();
        (a - b, won, lost)
    };
    auc(&predictions.iter().zip(targets).map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::Class;

    #[test]
    fn equal_scores_count_half_and_an_absent_class_has_no_area() {
        assert_eq!(auc(&[(0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]), Some(0.5));
        assert_eq!(auc(&[(1.0, 1.0, 0.0), (0.0, 0.0, 1.0)]), Some(1.0));
        assert_eq!(auc(&[(1.0, 1.0, 0.0)]), None);
        let p = [Probabilities::new([1.0, 0.0, 0.0]).unwrap(), Probabilities::new([0.0, 0.0, 1.0]).unwrap()];
        let area = auc_a_against_b(&p, &[Target::one_hot(Class::A), Target::one_hot(Class::B)]);
        assert_eq!(area, Some(1.0));
    }
}

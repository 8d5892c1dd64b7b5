use crate::battle::{Probabilities, Task};
use crate::metrics::LN_EPSILON;

/// A prediction as two numbers that a softmax keeps: every affine map of them is a calibrator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coordinates {
    /// `ln p_A - ln p_B`: changes its sign when the sides are exchanged.
    pub contrast: f64,
    /// `ln p_tie - (ln p_A + ln p_B) / 2`: stays when the sides are exchanged.
    pub tie: f64,
}

impl Coordinates {
    /// The coordinates of a prediction. Probabilities are clipped at the machine epsilon, as the log
    /// loss clips them, so that a printed 0 is very unlikely and not impossible.
    #[must_use]
    pub fn of(prediction: Probabilities) -> Self {
        let [a, b, tie] = prediction.ln().map(|ln| ln.max(LN_EPSILON));
        Self { contrast: a - b, tie: tie - f64::midpoint(a, b) }
    }

    /// The softmax of the coordinates; without a tie in the two-way task.
    #[must_use]
    pub fn probabilities(self, task: Task) -> Probabilities {
        let tie = match task {
            Task::ThreeWay => self.tie,
            Task::TwoWay => f64::NEG_INFINITY,
        };
        let half = 0.5 * self.contrast;
        // Parameters are checked to be finite, and so are the coordinates; an overflow has no direction.
        Probabilities::from_logits([half, -half, tie]).unwrap_or(Probabilities::UNIFORM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_there_and_back_changes_nothing() {
        let p = Probabilities::new([0.2, 0.5, 0.3]).unwrap();
        let back = Coordinates::of(p).probabilities(Task::ThreeWay).to_array();
        assert!(p.to_array().iter().zip(back).all(|(p, q)| (p - q).abs() < 1e-15));
        let two_way = Coordinates::of(p).probabilities(Task::TwoWay).to_array();
        assert!((two_way[0] - 0.2 / 0.7).abs() < 1e-15 && two_way[2] == 0.0);
    }

    #[test]
    fn impossible_classes_have_finite_coordinates() {
        let z = Coordinates::of(Probabilities::new([1.0, 0.0, 0.0]).unwrap());
        assert!(z.contrast.is_finite() && z.tie.is_finite());
    }
}

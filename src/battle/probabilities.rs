use serde::{Deserialize, Serialize};

use super::Class;

/// P(A wins), P(B wins), P(tie), kept as natural logarithms: a probability of 0 is minus infinity.
///
/// The order A, B, tie holds everywhere. Serialised as the three probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f64; 3]", into = "[f64; 3]")]
pub struct Probabilities {
    ln: [f64; 3],
}

/// The values are not three probabilities.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "`{}`, `{}`, `{}` are not probabilities of A, B and tie: each must lie in 0..1 and they must sum to 1, here {}",
    values[0], values[1], values[2], values.iter().sum::<f64>()
)]
pub struct NotProbabilities {
    /// What was given, in the order A, B, tie.
    pub values: [f64; 3],
}

impl Probabilities {
    /// One third each.
    pub const UNIFORM: Self = Self { ln: [-1.098_612_288_668_109_8; 3] };

    /// How far the sum may be from 1 before the values are refused; printed files round.
    pub const SUM_TOLERANCE: f64 = 1e-4;

    /// Probabilities in the order A, B, tie, taken as they are: a sum that is off by rounding stays
    /// so, because every metric renormalises, and a file that is read and written keeps its digits.
    ///
    /// # Errors
    /// `NotProbabilities` when a value is outside 0..1, not a number, or the sum is not 1.
    pub fn new(values: [f64; 3]) -> Result<Self, NotProbabilities> {
        let in_range = values.iter().all(|p| (0.0..=1.0).contains(p));
        let sum: f64 = values.iter().sum();
        if !in_range || (sum - 1.0).abs() > Self::SUM_TOLERANCE {
            return Err(NotProbabilities { values });
        }
        Ok(Self { ln: values.map(f64::ln) })
    }

    /// The softmax of three logits.
    ///
    /// # Errors
    /// `NotProbabilities` when a logit is not a number or plus infinity, or all are minus infinity.
    pub fn from_logits(logits: [f64; 3]) -> Result<Self, NotProbabilities> {
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if logits.iter().any(|z| z.is_nan()) || !largest.is_finite() {
            return Err(NotProbabilities { values: logits });
        }
        // Summed in a fixed order of A and B, so that exchanging them changes no bit.
        // Centred first: beside a huge logit the logarithm of the sum would be lost.
        let centred = logits.map(|z| z - largest);
        let [a, b, tie] = centred.map(f64::exp);
        let ln_sum = ((a + b) + tie).ln();
        Ok(Self { ln: centred.map(|z| z - ln_sum) })
    }

    /// The natural logarithms, in the order A, B, tie; equal to the logits up to a constant.
    #[must_use]
    pub fn ln(self) -> [f64; 3] {
        self.ln
    }

    /// The probabilities, in the order A, B, tie.
    #[must_use]
    pub fn to_array(self) -> [f64; 3] {
        self.ln.map(f64::exp)
    }

    /// The probability of one class.
    #[must_use]
    pub fn of(self, class: Class) -> f64 {
        self.ln[class.index()].exp()
    }

    /// The most probable class; of equal ones the first in column order.
    #[must_use]
    pub fn largest(self) -> Class {
        let mut best = Class::A;
        for class in Class::ALL {
            if self.ln[class.index()] > self.ln[best.index()] {
                best = class;
            }
        }
        best
    }

    /// The probabilities after the two sides are exchanged; an involution.
    #[must_use]
    pub fn swapped(self) -> Self {
        let [a, b, tie] = self.ln;
        Self { ln: [b, a, tie] }
    }

    /// The arithmetic mean of two predictions.
    #[must_use]
    pub fn mean(self, other: Self) -> Self {
        let (p, q) = (self.to_array(), other.to_array());
        Self { ln: [0, 1, 2].map(|class| f64::midpoint(p[class], q[class]).ln()) }
    }

    /// The same prediction without a tie: the mass of the tie goes to A and B in their proportion.
    ///
    /// Where A and B both have no mass the result is one half each.
    #[must_use]
    pub fn without_tie(self) -> Self {
        let [a, b, _] = self.ln;
        Self::from_logits([a, b, f64::NEG_INFINITY])
            .unwrap_or(Self { ln: [-std::f64::consts::LN_2, -std::f64::consts::LN_2, f64::NEG_INFINITY] })
    }
}

impl From<Probabilities> for [f64; 3] {
    fn from(probabilities: Probabilities) -> Self {
        probabilities.to_array()
    }
}

impl TryFrom<[f64; 3]> for Probabilities {
    type Error = NotProbabilities;

    fn try_from(values: [f64; 3]) -> Result<Self, NotProbabilities> {
        Self::new(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_logits_keep_their_sum() {
        let p = Probabilities::from_logits([3e38, -3e38, 3e38]).unwrap().to_array();
        assert!((p[0] - 0.5).abs() < 1e-15 && p[1] == 0.0 && (p[2] - 0.5).abs() < 1e-15, "{p:?}");
    }

    #[test]
    fn exchanging_the_sides_of_the_logits_exchanges_the_probabilities_bit_for_bit() {
        let logits = [0.3, -1.7, 0.123_456_789];
        let p = Probabilities::from_logits(logits).unwrap();
        let q = Probabilities::from_logits([logits[1], logits[0], logits[2]]).unwrap();
        assert_eq!(p.swapped(), q);
        assert_eq!(p, p.swapped().swapped());
    }

    #[test]
    fn values_that_are_no_probabilities_are_refused() {
        for values in [[0.5, 0.5, 0.5], [f64::NAN, 0.5, 0.5], [1.5, -0.5, 0.0], [0.0, 0.0, 0.0]] {
            assert!(Probabilities::new(values).is_err(), "{values:?}");
        }
        assert!(Probabilities::from_logits([f64::NAN, 0.0, 0.0]).is_err());
        assert!(Probabilities::from_logits([f64::INFINITY, 0.0, 0.0]).is_err());
        assert!(Probabilities::from_logits([f64::NEG_INFINITY; 3]).is_err());
    }

    #[test]
    fn a_probability_of_zero_survives() {
        let p = Probabilities::new([1.0, 0.0, 0.0]).unwrap();
        assert_eq!(p.to_array(), [1.0, 0.0, 0.0]);
        assert_eq!(p.without_tie().to_array(), [1.0, 0.0, 0.0]);
        let tie = Probabilities::new([0.0, 0.0, 1.0]).unwrap();
        assert_eq!(tie.without_tie().to_array(), [0.5, 0.5, 0.0]);
    }
}

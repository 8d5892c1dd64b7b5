use serde::{Deserialize, Serialize};

use super::{Class, Vote};

/// What a row should be predicted as: shares of A, B and tie that sum to 1.
///
/// A vote is one-hot; soft labels (a teacher's probabilities, repeated votes) are fractions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f64; 3]", into = "[f64; 3]")]
pub struct Target([f64; 3]);

/// The values are not shares of three classes.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "`{}`, `{}`, `{}` are not shares of A, B and tie: each must lie in 0..1 and they must sum to 1, here {}",
    values[0], values[1], values[2], values.iter().sum::<f64>()
)]
pub struct NotATarget {
    /// What was given, in the order A, B, tie.
    pub values: [f64; 3],
}

impl Target {
    /// How far the sum of the shares may be from 1 before they are refused.
    pub const SUM_TOLERANCE: f64 = 1e-5;

    /// Shares in the order A, B, tie; a rounding error of the sum up to 1e-5 is divided out.
    ///
    /// # Errors
    /// `NotATarget` when a share is outside 0..1, not a number, or the sum is not 1.
    pub fn new(values: [f64; 3]) -> Result<Self, NotATarget> {
        let sum: f64 = values.iter().sum();
        let in_range = values.iter().all(|share| (0.0..=1.0).contains(share));
        if !in_range || (sum - 1.0).abs() > Self::SUM_TOLERANCE {
            return Err(NotATarget { values });
        }
        Ok(Self(values.map(|share| share / sum)))
    }

    /// All weight on one class.
    #[must_use]
    pub fn one_hot(class: Class) -> Self {
        let mut values = [0.0; 3];
        values[class.index()] = 1.0;
        Self(values)
    }

    /// The shares in the order A, B, tie.
    #[must_use]
    pub fn to_array(self) -> [f64; 3] {
        self.0
    }

    /// The share of one class.
    #[must_use]
    pub fn of(self, class: Class) -> f64 {
        self.0[class.index()]
    }

    /// The one class that has all the weight, if there is one.
    #[must_use]
    pub fn class(self) -> Option<Class> {
        Class::ALL.into_iter().find(|class| self.of(*class) >= 1.0)
    }

    /// The class with the largest share; of equal shares the first in column order.
    #[must_use]
    pub fn largest(self) -> Class {
        let mut best = Class::A;
        for class in Class::ALL {
            if self.of(class) > self.of(best) {
                best = class;
            }
        }
        best
    }

    /// The target after the two sides are exchanged; an involution.
    #[must_use]
    pub fn swapped(self) -> Self {
        let [a, b, tie] = self.0;
        Self([b, a, tie])
    }

    /// The entropy of the shares in nats: the least log loss that any prediction can have here.
    #[must_use]
    pub fn entropy(self) -> f64 {
        -self.0.iter().filter(|share| **share > 0.0).map(|share| share * share.ln()).sum::<f64>()
    }
}

impl From<Vote> for Target {
    fn from(vote: Vote) -> Self {
        Self::one_hot(vote.class())
    }
}

impl From<Target> for [f64; 3] {
    fn from(target: Target) -> Self {
        target.0
    }
}

impl TryFrom<[f64; 3]> for Target {
    type Error = NotATarget;

    fn try_from(values: [f64; 3]) -> Result<Self, NotATarget> {
        Self::new(values)
    }
}

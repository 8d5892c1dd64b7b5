use serde::{Deserialize, Serialize};

/// A parameter is outside its range.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("`{value}` must be {range}")]
pub struct NotInRange {
    /// What was given.
    pub value: f64,
    /// What is allowed, in words.
    pub range: &'static str,
}

macro_rules! parameter {
    ($(#[$meaning:meta])* $name:ident, $range:literal, $holds:expr) => {
        $(#[$meaning])*
        #[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl $name {
            /// The value, checked.
            ///
            /// # Errors
            /// `NotInRange` when it is outside the range of the type.
            pub fn new(value: f64) -> Result<Self, NotInRange> {
                let holds: fn(f64) -> bool = $holds;
                if holds(value) { Ok(Self(value)) } else { Err(NotInRange { value, range: $range }) }
            }

            /// The number.
            #[must_use]
            pub fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = NotInRange;

            fn try_from(value: f64) -> Result<Self, NotInRange> {
                Self::new(value)
            }
        }

        impl From<$name> for f64 {
            fn from(parameter: $name) -> f64 {
                parameter.0
            }
        }
    };
}

parameter!(
    /// A finite number above 0 whose inverse is finite too, such as a temperature.
    Positive, "a finite number above 0, as is its inverse", |value| {
        value > 0.0 && value.is_finite() && value.recip().is_finite()
    }
);
parameter!(
    /// A finite number of at least 0, such as the width of the zone of ties.
    NonNegative, "a finite number of at least 0", |value| value >= 0.0 && value.is_finite()
);
parameter!(
    /// Any finite number.
    Finite, "a finite number", f64::is_finite
);

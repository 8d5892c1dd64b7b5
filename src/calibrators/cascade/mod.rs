//! A cascade: a cheap predictor for every row, an expensive one for the rows on which the cheap one is unsure.
//!
//! Whether a row is asked again depends on the row alone: its uncertainty against a threshold that was fitted on
//! held-out rows and is stored. The share of rows that are asked again is observed, never enforced.

mod fit;
mod summary;

use serde::{Deserialize, Serialize};

pub use fit::{CascadeRecipe, CrossFittedCascade};
pub use summary::{CascadePoint, CascadeSummary};

use super::PostProcessing;
use crate::battle::Probabilities;
use crate::metrics::entropies;

/// The version of a stored cascade.
const FORMAT_VERSION: u32 = 1;

/// How unsure a calibrated prediction is of itself; the same for a prediction and its exchange, bit for bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uncertainty {
    /// Its entropy in nats, 0..ln 3.
    #[default]
    Entropy,
    /// One less its largest probability, 0..2/3.
    TopProbability,
}

impl Uncertainty {
    /// The uncertainty of a prediction.
    #[must_use]
    pub fn of(self, prediction: Probabilities) -> f64 {
        match self {
            Self::Entropy => entropies(&[prediction])[0],
            Self::TopProbability => 1.0 - prediction.to_array().into_iter().fold(0.0, f64::max),
        }
    }
}

/// A fitted cascade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Cascade {
    uncertainty: Uncertainty,
    routes: Option<Routes>,
}

/// Both routes of a cascade that asks again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routes {
    /// A row whose uncertainty reaches it is asked again.
    pub threshold: f64,
    /// The share of the rows of the fit that are.
    pub share: f64,
    /// Of the cheap prediction of a row that is not asked again.
    pub sure: PostProcessing,
    /// Of both predictions of one that is.
    pub unsure: PostProcessing,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format_version: u32,
    uncertainty: Uncertainty,
    routes: Option<Routes>,
}

impl From<Cascade> for Stored {
    fn from(Cascade { uncertainty, routes }: Cascade) -> Self {
        Self { format_version: FORMAT_VERSION, uncertainty, routes }
    }
}

impl TryFrom<Stored> for Cascade {
    type Error = String;

    fn try_from(Stored { format_version, uncertainty, routes }: Stored) -> Result<Self, String> {
        if format_version != FORMAT_VERSION {
            return Err(format!(
                "the cascade has format_version `{format_version}`, this program reads `{FORMAT_VERSION}`; fit it again"
            ));
        }
        if let Some(Routes { threshold, sure, unsure, .. }) = &routes
            && (threshold.is_nan() || sure.weights().len() != 1 || unsure.weights().len() != 2)
        {
            return Err(format!(
                "the cascade's threshold `{threshold}` or its routes of {} and {} members are damaged; fit it again",
                sure.weights().len(),
                unsure.weights().len()
            ));
        }
        Ok(Self { uncertainty, routes })
    }
}

impl Cascade {
    /// Its routes; `None` for one that gains nothing and uses the cheap predictor alone.
    #[must_use]
    pub fn routes(&self) -> Option<&Routes> {
        self.routes.as_ref()
    }

    /// What is compared with the threshold.
    #[must_use]
    pub fn uncertainty(&self) -> Uncertainty {
        self.uncertainty
    }

    /// Whether a row with this cheap prediction is asked again; no other row is looked at.
    #[must_use]
    pub fn asks_again(&self, cheap: Probabilities) -> bool {
        self.routes.as_ref().is_some_and(|routes| self.uncertainty.of(cheap) >= routes.threshold)
    }

    /// The prediction to ship; `expensive` where the row was asked again. A row that should have been and was not,
    /// because time was over, keeps its cheap prediction: no route was fitted to it.
    #[must_use]
    pub fn apply(&self, cheap: Probabilities, expensive: Option<Probabilities>) -> Probabilities {
        match (&self.routes, self.asks_again(cheap), expensive) {
            (Some(routes), true, Some(expensive)) => routes.unsure.apply(&[cheap, expensive]),
            (Some(routes), false, _) => routes.sure.apply(&[cheap]),
            _ => cheap,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::Task;

    fn cascade() -> Cascade {
        let of = |members| PostProcessing::nothing(members, Task::ThreeWay);
        let routes = Routes { threshold: 0.9, share: 0.5, sure: of(1), unsure: of(2) };
        Cascade { uncertainty: Uncertainty::Entropy, routes: Some(routes) }
    }

    #[test]
    fn a_damaged_cascade_is_refused() {
        let mut stored = serde_json::to_value(cascade()).unwrap();
        let refused = |stored: &serde_json::Value| {
            serde_json::from_value::<Cascade>(stored.clone()).unwrap_err().to_string()
        };
        stored["routes"]["sure"]["weights"] = serde_json::json!([0.5, 0.5]);
        assert!(refused(&stored).contains("damaged"));
        stored["format_version"] = serde_json::json!(2);
        assert!(refused(&stored).contains("format_version"));
    }
}

use serde::{Deserialize, Serialize};

use super::{Cascade, Uncertainty};

/// A threshold that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CascadePoint {
    /// The share of the rows that it asks again.
    pub share: f64,
    /// The log loss with it, both predictions blended by weights fitted without the row, before any calibration.
    pub log_loss: f64,
}

/// What a cascade comes to on held-out rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CascadeSummary {
    /// The run that every row asks.
    pub cheap: String,
    /// The run that uncertain rows ask.
    pub expensive: String,
    /// What is compared with the threshold.
    pub uncertainty: Uncertainty,
    /// The stored threshold; none where the cheap run alone is shipped.
    pub threshold: Option<f64>,
    /// The share of held-out rows that thresholds fitted without their fold ask again.
    pub share: f64,
    /// Out-of-fold log loss of the cheap run.
    pub cheap_log_loss: f64,
    /// Out-of-fold log loss of the expensive run on all rows.
    pub expensive_log_loss: f64,
    /// Out-of-fold log loss of the cascade: threshold, blend and calibrators of every row fitted without its fold.
    pub cascade_log_loss: f64,
    /// Log loss that the cascade gains against the cheap run: positive is better.
    pub gain: f64,
    /// Its standard error, clustered by group.
    pub gain_standard_error: f64,
    /// Its 95 % interval by Student's t over groups.
    pub gain_interval: [f64; 2],
    /// Every threshold that was tried on all rows, by growing share; the first asks nobody.
    pub curve: Vec<CascadePoint>,
    /// What it comes to, in one sentence.
    pub verdict: String,
}

/// The sentence of a summary.
pub(super) fn verdict(fitted: &Cascade, (gain, error): (f64, f64), share: f64) -> String {
    match &fitted.routes {
        Some(routes) => format!(
            "asking {:.0} % of the rows again gains {gain:.5} +- {error:.5} nats out of fold; the stored threshold is \
             {:.4}",
            100.0 * share,
            routes.threshold
        ),
        None => format!(
            "no threshold gains anything that is certain ({gain:+.5} +- {error:.5} nats out of fold): the cheap run \
             alone is used"
        ),
    }
}

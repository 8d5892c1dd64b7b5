use serde::{Deserialize, Serialize};

use super::{Config, Final, Role, Validation};
use crate::calibrators::Uncertainty;

/// One run of a cascade, the cheap one first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CascadeStage {
    /// A finished run: a name under `models/`, or a path.
    pub run: String,
    /// What decides whether a row comes to this run: the uncertainty of the run before; of the second run only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<Uncertainty>,
    /// At most this share of the rows of the fit comes to this run; of the second run only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_share: Option<f64>,
}

impl Config {
    /// Whether what stands beside `[[cascade]]` has a meaning.
    pub(super) fn check_cascade(&self) -> Result<(), String> {
        let [first, second] = match &self.cascade[..] {
            [] => return Ok(()),
            [first, second] => [first, second],
            other => {
                return Err(format!(
                    "{} entries of `[[cascade]]`; write two, the cheap run first (a cascade may be a run of another)",
                    other.len()
                ));
            }
        };
        if !self.predictor.is_empty() {
            return Err("`[[cascade]]` is made of finished runs; train `[[predictor]]` in a run of its own"
                .to_owned());
        }
        if first.run == second.run {
            return Err(format!("both entries of `[[cascade]]` name the run `{}`", first.run));
        }
        if first.uncertainty.is_some() || first.max_share.is_some() {
            return Err(
                "`uncertainty` and `max_share` belong to the second `[[cascade]]`: every row asks the first \
                        run"
                .to_owned(),
            );
        }
        if let Some(share) = second.max_share.filter(|share| !(*share > 0.0 && *share <= 1.0)) {
            return Err(format!("cascade max_share `{share}` must lie above 0 and not above 1"));
        }
        if self.validation != Validation::default() || self.final_fit != Final::default() {
            return Err(
                "a cascade has the folds and the fits of its runs; leave `[validation]` and `[final]` out"
                    .to_owned(),
            );
        }
        if self.data.iter().any(|source| source.role == Role::Extra) {
            return Err(
                "a cascade learns from the rows that its runs were validated on; leave `extra` data out"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

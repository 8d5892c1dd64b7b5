use serde::{Deserialize, Serialize};

use super::formulas::{Pair, grounded, ln_scores};
use super::scalar::PARAMETERS;
use super::{Finite, NonNegative, Positive, TieError};
use crate::battle::Probabilities;

/// Which link between two rewards and three probabilities; `fit` finds its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TieModelKind {
    /// Rao and Kupper 1967, the default: a zone of ties of half-width eta.
    RaoKupper,
    /// Davidson 1970: the tie as a third answer whose strength is the geometric mean of the two.
    Davidson,
    /// Davidson whose tie may grow faster or slower than the mean reward.
    QualityDavidson,
    /// Rao-Kupper whose zone of ties depends on the mean reward.
    QualityRaoKupper,
    /// Rao-Kupper with "both are bad" as a fourth outcome, merged into the tie for the three classes.
    GroundedRaoKupper,
}

/// A fitted link: with `D = (r_A - r_B)/T` and `s = (mean reward - center)/T`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TieModel {
    /// P(A) = sigmoid(D - eta), P(B) = sigmoid(-D - eta), P(tie) = (e^(2 eta) - 1) P(A) P(B)
    /// (Rao and Kupper, Ties in paired-comparison experiments, 1967).
    RaoKupper {
        /// T, in units of the reward.
        temperature: Positive,
        /// Half-width of the zone of ties, in units of D.
        eta: NonNegative,
    },
    /// softmax of `[r_A/T, r_B/T, ln nu + mean/T]` (Davidson, On extending the Bradley-Terry model to
    /// accommodate ties, 1970).
    Davidson {
        /// T, in units of the reward.
        temperature: Positive,
        /// Logarithm of the strength of the tie.
        ln_nu: Finite,
    },
    /// softmax of `[r_A/T, r_B/T, intercept + slope s]`, rewards centred; slope 1 is Davidson.
    QualityDavidson {
        /// T, in units of the reward.
        temperature: Positive,
        /// Mean reward of the rows of the fit; taken off, because a slope breaks shift invariance.
        center: Finite,
        /// Logit of the tie at the centre.
        intercept: Finite,
        /// How fast the logit of the tie grows with the mean reward.
        slope: Finite,
    },
    /// Rao-Kupper with eta(s) = softplus(intercept + slope s); slope 0 is Rao-Kupper.
    QualityRaoKupper {
        /// T, in units of the reward.
        temperature: Positive,
        /// Mean reward of the rows of the fit.
        center: Finite,
        /// softplus^-1 of eta at the centre.
        intercept: Finite,
        /// How the zone of ties changes with the mean reward.
        slope: Finite,
    },
    /// With `pi = exp((r - center)/T + shift)` and `theta = 1 + e^spread`: `P(A) = pi_A/(pi_A + theta pi_B + 1)`,
    /// P(B) likewise, `P(both bad) = 1/(1 + pi_A + pi_B)`, a good tie is the rest.
    GroundedRaoKupper {
        /// T, in units of the reward.
        temperature: Positive,
        /// Mean reward of the rows of the fit.
        center: Finite,
        /// ln(theta - 1).
        spread: Finite,
        /// How far the centre lies above the answer that is just good enough, in units of D.
        shift: Finite,
    },
}

impl TieModel {
    /// P(A), P(B), P(tie) of two rewards; "both are bad" is part of the tie. Exchanging the rewards
    /// exchanges A and B bit for bit.
    ///
    /// # Errors
    /// `TieError::NotFinite` when a reward is infinite or not a number: a failed score must not
    /// become a prediction silently.
    pub fn probabilities(&self, rewards: [f64; 2]) -> Result<Probabilities, TieError> {
        let not_finite = || TieError::NotFinite { id: None, rewards };
        if rewards.iter().any(|reward| !reward.is_finite()) {
            return Err(not_finite());
        }
        let scores = ln_scores(self.kind(), self.parameters(), Pair::new(rewards, self.center()));
        Probabilities::from_logits(scores).map_err(|_| not_finite())
    }

    /// P(A), P(B), P(good tie), P(both bad) of a grounded model; `None` for the others, which do not
    /// tell the two kinds of tie apart.
    ///
    /// # Errors
    /// `TieError::NotFinite` as `probabilities`.
    pub fn four_outcomes(&self, rewards: [f64; 2]) -> Result<Option<[f64; 4]>, TieError> {
        if rewards.iter().any(|reward| !reward.is_finite()) {
            return Err(TieError::NotFinite { id: None, rewards });
        }
        let Self::GroundedRaoKupper { temperature, center, spread, shift } = self else { return Ok(None) };
        let pair = Pair::new(rewards, center.get());
        let quality = pair.mean / temperature.get() + shift.get();
        Ok(Some(grounded(pair.difference / temperature.get(), quality, spread.get()).map(f64::exp)))
    }

    /// Which link it is.
    #[must_use]
    pub fn kind(&self) -> TieModelKind {
        match self {
            Self::RaoKupper { .. } => TieModelKind::RaoKupper,
            Self::Davidson { .. } => TieModelKind::Davidson,
            Self::QualityDavidson { .. } => TieModelKind::QualityDavidson,
            Self::QualityRaoKupper { .. } => TieModelKind::QualityRaoKupper,
            Self::GroundedRaoKupper { .. } => TieModelKind::GroundedRaoKupper,
        }
    }

    /// The temperature T, in units of the reward.
    #[must_use]
    pub fn temperature(&self) -> f64 {
        match self {
            Self::RaoKupper { temperature, .. }
            | Self::Davidson { temperature, .. }
            | Self::QualityDavidson { temperature, .. }
            | Self::QualityRaoKupper { temperature, .. }
            | Self::GroundedRaoKupper { temperature, .. } => temperature.get(),
        }
    }

    fn center(&self) -> f64 {
        match self {
            Self::RaoKupper { .. } | Self::Davidson { .. } => 0.0,
            Self::QualityDavidson { center, .. }
            | Self::QualityRaoKupper { center, .. }
            | Self::GroundedRaoKupper { center, .. } => center.get(),
        }
    }

    fn parameters(&self) -> [f64; PARAMETERS] {
        let beta = 1.0 / self.temperature();
        match self {
            Self::RaoKupper { eta, .. } => [beta, eta.get(), 0.0],
            Self::Davidson { ln_nu, .. } => [beta, ln_nu.get(), 0.0],
            Self::QualityDavidson { intercept, slope, .. } => {
                [beta, intercept.get(), (slope.get() - 1.0) * beta]
            }
            Self::QualityRaoKupper { intercept, slope, .. } => [beta, intercept.get(), slope.get() * beta],
            Self::GroundedRaoKupper { spread, shift, .. } => [beta, spread.get(), shift.get()],
        }
    }

    /// The model behind the parameters of `ln_scores`.
    pub(super) fn from_parameters(
        kind: TieModelKind,
        [beta, second, third]: [f64; PARAMETERS],
        center: f64,
    ) -> Result<Self, TieError> {
        let temperature = Positive::new(1.0 / beta)?;
        let center = Finite::new(center)?;
        Ok(match kind {
            TieModelKind::RaoKupper => Self::RaoKupper { temperature, eta: NonNegative::new(second)? },
            TieModelKind::Davidson => Self::Davidson { temperature, ln_nu: Finite::new(second)? },
            TieModelKind::QualityDavidson => Self::QualityDavidson {
                temperature,
                center,
                intercept: Finite::new(second)?,
                slope: Finite::new(1.0 + third / beta)?,
            },
            TieModelKind::QualityRaoKupper => Self::QualityRaoKupper {
                temperature,
                center,
                intercept: Finite::new(second)?,
                slope: Finite::new(third / beta)?,
            },
            TieModelKind::GroundedRaoKupper => Self::GroundedRaoKupper {
                temperature,
                center,
                spread: Finite::new(second)?,
                shift: Finite::new(third)?,
            },
        })
    }
}

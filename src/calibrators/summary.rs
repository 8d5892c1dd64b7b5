use serde::{Deserialize, Serialize};

/// One member of a blend, or one calibrator, beside what was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// Cross-fitted log loss.
    pub log_loss: f64,
    /// Cross-fitted difference to doing nothing (a member: to equal weights; a calibrator: to the
    /// blend as it is): negative is better.
    pub delta_log_loss: f64,
    /// Standard error of the difference, clustered by group.
    pub delta_standard_error: f64,
    /// Weight in the blend, where it is a member.
    pub weight: Option<f64>,
    /// Whether it is what the run ships.
    pub chosen: bool,
}

/// The test for position bias: swap-symmetric scaling against full matrix scaling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PositionBias {
    /// Likelihood ratio statistic, chi-square with 3 degrees of freedom if there is no bias and rows
    /// are independent (1 in the two-way task).
    pub statistic: f64,
    /// The p-value: of that statistic where rows are independent, else of the score test with groups
    /// as observations.
    pub p_value: f64,
    /// Share of votes for A minus share for B.
    pub a_minus_b: f64,
    /// Whether the shipped calibrator gives up symmetry.
    pub symmetry_given_up: bool,
}

/// What post-processing did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PostProcessingSummary {
    /// The members of the blend with their weights.
    pub members: Vec<Candidate>,
    /// Correlation of the members' log-odds of A against B, row by row.
    pub correlations: Vec<Vec<f64>>,
    /// The calibrators tried.
    pub calibrators: Vec<Candidate>,
    /// The position bias test.
    pub position_bias: Option<PositionBias>,
    /// What it comes to, in one sentence, such as `calibration buys nothing here`.
    pub verdict: String,
}

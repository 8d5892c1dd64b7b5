use rayon::prelude::*;

use super::formulas::{Pair, ln_scores};
use super::newton::{Bounds, Curve, maximised};
use super::scalar::{Jet, PARAMETERS, Scalar};
use super::{TieError, TieModel, TieModelKind};
use crate::battle::{HeldOut, Scored};

/// A fitted link and how the fit ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TieFit {
    /// The link.
    pub model: TieModel,
    /// Mean log loss of the rows of the fit, in nats; in sample, so slightly too good.
    pub log_loss: f64,
    /// The rewards point the wrong way or nowhere: T stands at its upper bound, a thousand times the
    /// spread of the rewards, and the link hardly listens to them.
    pub at_bound: bool,
    /// Newton steps taken.
    pub iterations: usize,
}

/// beta = 1/T in units of 1/(spread of the rewards) stays above this, so that T is always positive.
const LOWEST_BETA: f64 = 1e-3;
/// Rows summed by one thread; fixed, so that no number of threads changes a bit.
const CHUNK: usize = 2048;

impl TieModelKind {
    /// All kinds, the default first.
    pub const ALL: [Self; 5] = [
        Self::RaoKupper,
        Self::Davidson,
        Self::QualityDavidson,
        Self::QualityRaoKupper,
        Self::GroundedRaoKupper,
    ];

    /// Fits T and the parameters of ties to held-out rewards by maximum likelihood; see `fit_report`.
    ///
    /// # Errors
    /// As `fit_report`.
    pub fn fit(self, held_out: &HeldOut<[f64; 2]>) -> Result<TieModel, TieError> {
        self.fit_report(held_out).map(|fit| fit.model)
    }

    /// The same, with how the fit ended.
    ///
    /// Maximises sum_i sum_k y_ik ln P_k(r_i) over 1/T and the parameters of ties by safeguarded
    /// Newton steps; soft targets are fractions of votes. Two imaginary votes are added: one split
    /// evenly between A and B where A leads by the typical difference, one split in three where the
    /// rewards are equal (half of it at a high, half at a low mean). They are worth nothing beside a
    /// hundred rows and keep T and eta finite when the rewards separate the votes, when a class is
    /// absent, and for a single row (data augmentation of a log-F prior, Greenland and Mansournia 2015).
    ///
    /// # Errors
    /// `TieError::NoRows` without a row, `TieError::NotFinite` names the first row with a reward that
    /// is no finite number, `TieError::Parameter` when the rewards are so large or small that T is no
    /// ordinary number.
    pub fn fit_report(self, held_out: &HeldOut<[f64; 2]>) -> Result<TieFit, TieError> {
        let rows = canonical(held_out)?;
        let scale = Scale::of(&rows);
        let votes: Vec<Votes> = rows.iter().map(|row| scale.votes(row)).collect();
        let imaginary = imaginary_votes(&scale);
        let objective = |parameters: [f64; PARAMETERS]| {
            let sums: Vec<Curve> =
                votes.par_chunks(CHUNK).map(|some| likelihood(self, parameters, some)).collect();
            sums.into_iter().fold(likelihood(self, parameters, &imaginary), Curve::plus)
        };
        let start = self.start();
        let bounds = Bounds { positive: self.positive(), lowest_first: LOWEST_BETA };
        let found = maximised(&objective, start, &bounds);
        let [beta, second, third] = found.parameters;
        let real = found.value - likelihood(self, found.parameters, &imaginary).value;
        let per_mean = if self.slopes_with_the_mean() { third / scale.unit } else { third };
        let model = TieModel::from_parameters(self, [beta / scale.unit, second, per_mean], scale.center)?;
        Ok(TieFit {
            model,
            log_loss: -real / rows.len() as f64,
            at_bound: beta <= LOWEST_BETA,
            iterations: found.iterations,
        })
    }

    fn start(self) -> [f64; PARAMETERS] {
        match self {
            Self::RaoKupper => [1.0, 0.7, 0.0],
            Self::Davidson | Self::QualityDavidson | Self::QualityRaoKupper => [1.0, 0.0, 0.0],
            Self::GroundedRaoKupper => [1.0, -1.0, 1.0],
        }
    }

    /// Which parameters must stay above 0.
    fn positive(self) -> [bool; PARAMETERS] {
        [true, self == Self::RaoKupper, false]
    }

    fn slopes_with_the_mean(self) -> bool {
        matches!(self, Self::QualityDavidson | Self::QualityRaoKupper)
    }
}

/// The rows in the order of their ids, all with finite rewards.
fn canonical(held_out: &HeldOut<[f64; 2]>) -> Result<Vec<&Scored<[f64; 2]>>, TieError> {
    let mut rows: Vec<&Scored<[f64; 2]>> = held_out.rows().iter().collect();
    if rows.is_empty() {
        return Err(TieError::NoRows);
    }
    // Rows with the same id (repeated votes) are told apart by what they say.
    rows.sort_by(|one, other| {
        let values = |row: &Scored<[f64; 2]>| {
            let [a, b] = row.prediction;
            [a, b].into_iter().chain(row.target.to_array())
        };
        let by_value = || {
            values(one).zip(values(other)).map(|(x, y)| x.total_cmp(&y)).find(|order| order.is_ne())
        };
        one.id.cmp(&other.id).then_with(|| by_value().unwrap_or(std::cmp::Ordering::Equal))
    });
    match rows.iter().find(|row| row.prediction.iter().any(|reward| !reward.is_finite())) {
        Some(row) => Err(TieError::NotFinite { id: Some(row.id.0.clone()), rewards: row.prediction }),
        None => Ok(rows),
    }
}

/// The unit and the zero point in which the rewards are of ordinary size.
struct Scale {
    /// Root mean square of the reward differences, or of the mean rewards where all differences are 0.
    unit: f64,
    /// Mean of all rewards.
    center: f64,
    /// Typical distance of a mean reward from the centre, in units.
    spread: f64,
    /// Whether any two rewards of a row differ.
    differs: bool,
}

impl Scale {
    fn of(rows: &[&Scored<[f64; 2]>]) -> Self {
        let count = rows.len() as f64;
        let center = rows.iter().map(|row| row.prediction[0] / count * 0.5 + row.prediction[1] / count * 0.5).sum();
        let pairs: Vec<Pair> = rows.iter().map(|row| Pair::new(row.prediction, center)).collect();
        let differences = root_mean_square(pairs.iter().map(|pair| pair.difference));
        let means = root_mean_square(pairs.iter().map(|pair| pair.mean));
        let differs = differences > 0.0;
        let unit = [differences, means].into_iter().find(|size| *size > 0.0).unwrap_or(1.0);
        Self { unit, center, spread: (means / unit).min(1e6), differs }
    }

    fn votes(&self, row: &Scored<[f64; 2]>) -> Votes {
        let pair = Pair::new(row.prediction, self.center);
        let pair = Pair { difference: pair.difference / self.unit, mean: pair.mean / self.unit };
        Votes { pair, shares: row.target.to_array() }
    }
}

/// Root of the mean square, without overflow.
fn root_mean_square(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().map(f64::abs).fold(0.0, f64::max);
    if largest <= 0.0 {
        return 0.0;
    }
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| {
        let ratio = value / largest;
        (sum + ratio * ratio, count + 1.0)
    });
    // Halved before and doubled after: the mean of squares of the largest numbers is still a number.
    largest * (sum / f64::max(count, 1.0)).sqrt()
}

/// Votes on one pair of rewards, in units of the fit.
struct Votes {
    pair: Pair,
    shares: [f64; 3],
}

fn imaginary_votes(scale: &Scale) -> Vec<Votes> {
    let lead = if scale.differs { 1.0 } else { 0.0 };
    let third = [1.0 / 6.0; 3];
    vec![
        Votes { pair: Pair { difference: lead, mean: 0.0 }, shares: [0.5, 0.5, 0.0] },
        Votes { pair: Pair { difference: 0.0, mean: scale.spread }, shares: third },
        Votes { pair: Pair { difference: 0.0, mean: -scale.spread }, shares: third },
    ]
}

/// The log-likelihood of some votes with its derivatives.
fn likelihood(kind: TieModelKind, parameters: [f64; PARAMETERS], votes: &[Votes]) -> Curve {
    let jets = [0, 1, 2].map(|index| Jet::parameter(index, parameters[index]));
    let mut total = Jet::constant(0.0);
    for vote in votes {
        let scores = ln_scores(kind, jets, vote.pair);
        let all = scores[0].ln_sum(scores[1]).ln_sum(scores[2]);
        let expected = scores[0] * vote.shares[0] + scores[1] * vote.shares[1];
        total = total + ((expected + scores[2] * vote.shares[2]) - all);
    }
    Curve { value: total.value, gradient: total.gradient, hessian: total.hessian }
}

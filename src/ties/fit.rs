use rayon::prelude::*;

use super::formulas::{Pair, grounded, ln_scores};
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
    /// Maximises `sum_i sum_k y_ik ln P_k(r_i)` over 1/T and the parameters of ties by safeguarded
    /// Newton steps; soft targets are fractions of votes. Two imaginary votes are added: one split
    /// evenly between A and B where A leads by the typical difference, one split in three where the
    /// rewards are equal (half of it at a high, half at a low mean). They are worth nothing beside a
    /// hundred rows and keep T and eta finite when the rewards separate the votes, when a class is
    /// absent, and for a single row (data augmentation of a log-F prior, Greenland and Mansournia 2015).
    /// The grounded link gets one more, a tie at the centre that is half good and half bad: three
    /// classes alone hardly tell the two apart.
    ///
    /// # Errors
    /// `TieError::NoRows` without a row, `TieError::NotFinite` names the first row with a reward that
    /// is no finite number, `TieError::Parameter` when the rewards are so large or small that T is no
    /// ordinary number.
    pub fn fit_report(self, held_out: &HeldOut<[f64; 2]>) -> Result<TieFit, TieError> {
        self.fit_weighted(held_out, &vec![1.0; held_out.rows().len()])
    }

    /// The same with a weight a row, in their order: a row of weight 2 counts as two rows.
    ///
    /// # Errors
    /// As `fit_report`, and `TieError::Weights` when there is not one finite, non-negative weight for each row, or
    /// all are 0.
    pub fn fit_weighted(self, held_out: &HeldOut<[f64; 2]>, weights: &[f64]) -> Result<TieFit, TieError> {
        let rows = canonical(held_out, weights)?;
        let weight: f64 = rows.iter().map(|(_, weight)| weight).sum();
        let scale = Scale::of(&rows);
        let votes: Vec<Votes> = rows.iter().map(|(row, weight)| scale.votes(row, *weight)).collect();
        let imaginary = imaginary_votes(&scale);
        let beside = |parameters: [f64; PARAMETERS]| {
            likelihood(self, parameters, &imaginary).plus(self.imaginary_kinds_of_tie(parameters))
        };
        let objective = |parameters: [f64; PARAMETERS]| {
            let sums: Vec<Curve> =
                votes.par_chunks(CHUNK).map(|some| likelihood(self, parameters, some)).collect();
            sums.into_iter().fold(beside(parameters), Curve::plus)
        };
        let start = self.start();
        let bounds = Bounds { positive: self.positive(), lowest_first: LOWEST_BETA };
        let found = maximised(&objective, start, &bounds);
        let [beta, second, third] = found.parameters;
        let real = found.value - beside(found.parameters).value;
        let per_mean = if self.slopes_with_the_mean() { third / scale.unit } else { third };
        let model = TieModel::from_parameters(self, [beta / scale.unit, second, per_mean], scale.center)?;
        Ok(TieFit {
            model,
            log_loss: -real / weight,
            at_bound: beta <= LOWEST_BETA,
            iterations: found.iterations,
        })
    }

    fn imaginary_kinds_of_tie(self, parameters: [f64; PARAMETERS]) -> Curve {
        let [_, spread, shift] = [0, 1, 2].map(|index| Jet::parameter(index, parameters[index]));
        let total = if self == Self::GroundedRaoKupper {
            let [_, _, good, bad] = grounded(Jet::constant(0.0), shift, spread);
            (good + bad) * 0.5
        } else {
            Jet::constant(0.0)
        };
        Curve { value: total.value, gradient: total.gradient, hessian: total.hessian }
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

/// A row with its weight.
type Weighted<'a> = (&'a Scored<[f64; 2]>, f64);

/// The rows in the order of their ids, all with finite rewards, each with its weight.
fn canonical<'a>(held_out: &'a HeldOut<[f64; 2]>, weights: &[f64]) -> Result<Vec<Weighted<'a>>, TieError> {
    if held_out.rows().is_empty() {
        return Err(TieError::NoRows);
    }
    let unusable = weights.iter().any(|weight| !weight.is_finite() || *weight < 0.0);
    if unusable || weights.len() != held_out.rows().len() || weights.iter().sum::<f64>() <= 0.0 {
        return Err(TieError::Weights { rows: held_out.rows().len(), weights: weights.len() });
    }
    let weighted = held_out.rows().iter().zip(weights.iter().copied());
    let mut rows: Vec<_> = weighted.filter(|(_, weight)| *weight > 0.0).collect();
    // Rows with the same id (repeated votes) are told apart by what they say.
    rows.sort_by(|one, other| {
        let values = |(row, weight): &Weighted<'_>| {
            let [a, b] = row.prediction;
            [a, b].into_iter().chain(row.target.to_array()).chain([*weight])
        };
        let by_value =
            || values(one).zip(values(other)).map(|(x, y)| x.total_cmp(&y)).find(|order| order.is_ne());
        one.0.id.cmp(&other.0.id).then_with(|| by_value().unwrap_or(std::cmp::Ordering::Equal))
    });
    match rows.iter().find(|(row, _)| row.prediction.iter().any(|reward| !reward.is_finite())) {
        Some((row, _)) => Err(TieError::NotFinite { id: Some(row.id.0.clone()), rewards: row.prediction }),
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
    fn of(rows: &[Weighted<'_>]) -> Self {
        let count: f64 = rows.iter().map(|(_, weight)| weight).sum();
        let center = rows
            .iter()
            .map(|(row, weight)| weight * (row.prediction[0] / count * 0.5 + row.prediction[1] / count * 0.5))
            .sum();
        let pairs: Vec<(Pair, f64)> =
            rows.iter().map(|(row, weight)| (Pair::new(row.prediction, center), *weight)).collect();
        let differences = root_mean_square(pairs.iter().map(|(pair, weight)| (pair.difference, *weight)));
        let means = root_mean_square(pairs.iter().map(|(pair, weight)| (pair.mean, *weight)));
        let differs = differences > 0.0;
        let unit = [differences, means].into_iter().find(|size| *size > 0.0).unwrap_or(1.0);
        Self { unit, center, spread: (means / unit).min(1e6), differs }
    }

    fn votes(&self, row: &Scored<[f64; 2]>, weight: f64) -> Votes {
        let pair = Pair::new(row.prediction, self.center);
        let pair = Pair { difference: pair.difference / self.unit, mean: pair.mean / self.unit };
        Votes { pair, shares: row.target.to_array().map(|share| weight * share) }
    }
}

/// Root of the weighted mean square of values with their weights, without overflow.
fn root_mean_square(values: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let largest = values.clone().map(|(value, _)| value.abs()).fold(0.0, f64::max);
    if largest <= 0.0 {
        return 0.0;
    }
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), (value, weight)| {
        let ratio = value / largest;
        (sum + weight * (ratio * ratio), count + weight)
    });
    // Halved before and doubled after: the mean of squares of the largest numbers is still a number.
    largest * (sum / count).sqrt()
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
        let [a, b, tie] = vote.shares;
        let expected = (scores[0] * a + scores[1] * b) + scores[2] * tie;
        total = total + (expected - all * ((a + b) + tie));
    }
    Curve { value: total.value, gradient: total.gradient, hessian: total.hessian }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battle::{BattleId, Class, GroupId, Target};

    fn held_out(rows: &[([f64; 2], Class)]) -> HeldOut<[f64; 2]> {
        let scored = rows.iter().enumerate().map(|(row, (rewards, class))| Scored {
            id: BattleId(format!("{row:04}")),
            group: GroupId(row.to_string()),
            fold: None,
            prediction: *rewards,
            target: Target::one_hot(*class),
        });
        HeldOut::declared(scored.collect(), "rewards.csv")
    }

    /// Fits every kind and checks that it may be used on any later row.
    fn usable(rows: &[([f64; 2], Class)]) -> Vec<TieFit> {
        let fits = TieModelKind::ALL.map(|kind| kind.fit_report(&held_out(rows)).unwrap());
        for fit in &fits {
            assert!(fit.model.temperature() > 0.0 && fit.log_loss.is_finite(), "{fit:?}");
            assert!(fit.iterations < 200, "{fit:?}");
            for (rewards, _) in rows {
                let ln = fit.model.probabilities(*rewards).unwrap().ln();
                assert!(ln.iter().all(|ln| *ln > -40.0), "{ln:?} {fit:?}");
            }
        }
        fits.to_vec()
    }

    #[test]
    fn one_row_is_enough() {
        for class in Class::ALL {
            usable(&[([0.3, -0.2], class)]);
            usable(&[([0.0, 0.0], class)]);
        }
    }

    #[test]
    fn a_row_of_weight_two_is_the_row_twice_and_one_of_weight_zero_is_not_there() {
        let row = |i: i32| ([f64::from(i * 7 % 11), 5.0], Class::ALL[(i % 3).unsigned_abs() as usize]);
        let rows: Vec<_> = (0..40).map(row).collect();
        let twice: Vec<_> = rows.iter().chain(&rows[..10]).copied().collect();
        let weights: Vec<f64> = (0..40).map(|row| if row < 10 { 2.0 } else { 1.0 }).collect();
        for kind in [TieModelKind::RaoKupper, TieModelKind::Davidson] {
            let weighted = kind.fit_weighted(&held_out(&rows), &weights).unwrap();
            let repeated = kind.fit_report(&held_out(&twice)).unwrap();
            let plain = kind.fit_report(&held_out(&rows)).unwrap();
            let at = |fit: &TieFit| fit.model.probabilities([1.0, 3.0]).unwrap().to_array();
            let far = |one: &TieFit, other: &TieFit| {
                at(one).iter().zip(at(other)).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
            };
            assert!(far(&weighted, &repeated) < 1e-9, "{weighted:?} {repeated:?}");
            assert!(far(&weighted, &plain) > 1e-4, "{plain:?}");
        }
        for weights in [vec![1.0; 39], vec![0.0; 40], vec![-1.0; 40], vec![f64::NAN; 40]] {
            let refused = TieModelKind::RaoKupper.fit_weighted(&held_out(&rows), &weights);
            assert!(matches!(refused, Err(TieError::Weights { .. })));
        }
    }

    #[test]
    fn an_absent_class_keeps_a_chance() {
        for absent in Class::ALL {
            let classes = Class::ALL.into_iter().filter(|class| *class != absent).cycle();
            let rows: Vec<_> = (0..40).map(|i| [f64::from(i * 7 % 11), 5.0]).zip(classes).collect();
            usable(&rows);
        }
    }

    #[test]
    fn rewards_that_separate_the_votes_keep_a_positive_temperature() {
        let rows: Vec<_> =
            (-20..20).map(|i| ([f64::from(i) + 0.5, 0.0], if i < 0 { Class::B } else { Class::A })).collect();
        for fit in usable(&rows) {
            assert!(!fit.at_bound && fit.model.temperature() < 10.0, "{fit:?}");
        }
    }

    #[test]
    fn rewards_that_point_the_wrong_way_end_at_the_bound_and_say_so() {
        let rows: Vec<_> =
            (-20..20).map(|i| ([f64::from(i) + 0.5, 0.0], if i < 0 { Class::A } else { Class::B })).collect();
        for fit in usable(&rows) {
            assert!(fit.at_bound, "{fit:?}");
        }
    }

    #[test]
    fn identical_and_huge_rewards_are_fitted() {
        let classes = || Class::ALL.into_iter().cycle();
        usable(&vec![[3.0, 3.0]; 30].into_iter().zip(classes()).collect::<Vec<_>>());
        for size in [1e12, 1e150, 1e300, 1e-150] {
            usable(&(0..30).map(|i| [size * f64::from(i % 7), size]).zip(classes()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_reward_that_is_no_number_is_named_and_no_row_is_refused() {
        let rows = [([0.1, 0.2], Class::A), ([f64::NAN, 0.2], Class::A)];
        let error = TieModelKind::RaoKupper.fit(&held_out(&rows)).unwrap_err();
        assert!(
            error.to_string().starts_with("the rewards `NaN` and `0.2` of battle `0001` must be"),
            "{error}"
        );
        assert_eq!(TieModelKind::Davidson.fit(&held_out(&[])).unwrap_err(), TieError::NoRows);
    }

    #[test]
    fn a_model_with_a_parameter_out_of_range_or_a_stray_key_is_refused() {
        let read = serde_json::from_str::<TieModel>;
        assert!(read(r#"{"kind": "rao_kupper", "temperature": 1.0, "eta": 0.5}"#).is_ok());
        assert!(read(r#"{"kind": "rao_kupper", "temperature": -1.0, "eta": 0.5}"#).is_err());
        assert!(read(r#"{"kind": "rao_kupper", "temperature": 1.0, "eta": -0.5}"#).is_err());
        assert!(read(r#"{"kind": "rao_kupper", "temperature": 1.0, "eta": 0.5, "nu": 1}"#).is_err());
    }
}

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
        let rows = canonical(held_out)?;
        let scale = Scale::of(&rows);
        let votes: Vec<Votes> = rows.iter().map(|row| scale.votes(row)).collect();
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
            log_loss: -real / rows.len() as f64,
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
        let by_value =
            || values(one).zip(values(other)).map(|(x, y)| x.total_cmp(&y)).find(|order| order.is_ne());
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
        let center =
            rows.iter().map(|row| row.prediction[0] / count * 0.5 + row.prediction[1] / count * 0.5).sum();
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

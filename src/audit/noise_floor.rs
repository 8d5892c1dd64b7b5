use serde::{Deserialize, Serialize};

use super::estimates::{Estimate, jackknife};
use super::view::View;
use super::vote_patterns::{LN_3, Table, entropy, plug_in};
use super::votes::{Votes, votes};
use crate::metrics::entropy_of_votes;

/// The log loss below which no prediction from the text can get, on battles that several people voted
/// on: the mean entropy of the distributions that the votes were drawn from, each vote counting once.
///
/// With a handful of votes a battle this is no number that can be read off, so there are three, all in
/// nats. Votes on the two orders of one battle are pooled; a position bias therefore counts as noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoiseFloor {
    /// Battles with two or more votes.
    pub battles: usize,
    /// Votes on them.
    pub votes: usize,
    /// The share of all rows that these votes are.
    pub share_of_rows: f64,
    /// Groups (prompt, session) among them.
    pub n_groups: usize,
    /// Never too high in expectation: `sum_k (m_k / m) (psi(m) - psi(m_k))`, which estimates
    /// without bias the first m - 1 terms of the entropy's series sum over classes of p (1-p)^j / j, all
    /// of them positive (Zhang 2012, "Entropy estimation in Turing's perspective"; in this form
    /// Schuermann 2015).
    pub lower: Estimate,
    /// The mean posterior entropy when the distributions come from a Dirichlet with the classes' mean
    /// and one fitted concentration (Wolpert and Wolf 1995): exact if they do.
    pub model: Estimate,
    /// Never too low in expectation: the log loss of predicting each vote from the other votes on its
    /// battle, `(m_k - 1 + alpha_k) / (m - 1 + sum_k alpha_k)`, concentration fitted on other groups. A
    /// cross-entropy is never below the entropy.
    pub upper: Estimate,
    /// The entropy of the shares themselves, for comparison: too low.
    pub plug_in: f64,
    /// The entropy of the class shares of these rows: the log loss of the best constant prediction.
    pub constant_log_loss: f64,
}

/// The three estimates; none where no battle has two votes.
pub(super) fn noise_floor(view: &View<'_>) -> Option<NoiseFloor> {
    let battles = votes(view);
    let mut shares = [0.0; 3];
    for (row, _) in battles.iter().flat_map(|votes| &votes.rows) {
        shares[view.labeled[*row].target.largest().index()] += 1.0;
    }
    let constant_log_loss = plug_in(&shares);
    Some(NoiseFloor { constant_log_loss, ..from_votes(&battles, view.len())? })
}

fn from_votes(battles: &[Votes], rows: usize) -> Option<NoiseFloor> {
    let table = Table::new(battles)?;
    let votes: f64 = battles.iter().map(Votes::total).sum();
    let everything = table.weights(&|_| true);
    let shares = table.mean_target(&everything);
    let held_out = table.held_out_losses();
    Some(NoiseFloor {
        battles: battles.len(),
        votes: battles.iter().map(|votes| votes.rows.len()).sum(),
        share_of_rows: votes / rows.max(1) as f64,
        n_groups: table.groups.len(),
        lower: table.estimate(|pattern| entropy_of_votes(*pattern).unwrap_or(0.0))?,
        model: jackknife(table.groups.len(), |kept| Some(table.posterior_entropy(&table.weights(kept))))?
            .within(0.0, LN_3),
        upper: jackknife(table.groups.len(), |kept| {
            let (loss, votes) = (0..held_out.len())
                .filter(|group| kept(*group))
                .fold((0.0, 0.0), |sum, group| (sum.0 + held_out[group].0, sum.1 + held_out[group].1));
            (votes > 0.0).then(|| loss / votes)
        })?,
        plug_in: table.mean(&everything, plug_in),
        constant_log_loss: entropy(shares),
    })
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::battle::Class;

    /// Votes on 1,200 battles in 200 groups, and the mean entropy that they were drawn with.
    fn simulated(votes: usize, truth: impl Fn(&mut ChaCha8Rng) -> [f64; 3]) -> (Vec<Votes>, f64) {
        let mut generator = ChaCha8Rng::seed_from_u64(7);
        let (mut battles, mut floor) = (Vec::new(), 0.0);
        for battle in 0..1200 {
            let p = truth(&mut generator);
            floor += entropy(p) / 1200.0;
            let mut drawn = Votes { counts: [0.0; 3], rows: Vec::new(), group: battle % 200 };
            for row in 0..votes {
                let u: f64 = generator.random();
                let class = if u < p[0] {
                    Class::A
                } else if u < p[0] + p[1] {
                    Class::B
                } else {
                    Class::Tie
                };
                drawn.counts[class.index()] += 1.0;
                drawn.rows.push((row, class));
            }
            battles.push(drawn);
        }
        (battles, floor)
    }

    /// A Dirichlet(1, 1, 1) triple: normalised exponentials.
    fn dirichlet(generator: &mut ChaCha8Rng) -> [f64; 3] {
        let drawn = [0; 3].map(|_| -(1.0 - generator.random::<f64>()).ln());
        let sum: f64 = drawn.iter().sum();
        drawn.map(|value| value / sum)
    }

    /// Half the battles are clear, half are anybody's guess: far from any Dirichlet.
    fn two_kinds(generator: &mut ChaCha8Rng) -> [f64; 3] {
        let side = generator.random_range(0..3);
        if generator.random::<f64>() < 0.5 {
            let mut p = [0.02; 3];
            p[side] = 0.96;
            return p;
        }
        [0.35, 0.35, 0.3]
    }

    #[test]
    fn the_bounds_hold_on_votes_of_known_distribution() {
        for votes in [2, 4, 10] {
            for truth in [dirichlet, two_kinds] {
                let (battles, floor) = simulated(votes, truth);
                let found = from_votes(&battles, 12_000).unwrap();
                let tolerance = 0.02;
                assert!(found.lower.value <= floor + tolerance, "{votes} votes, {floor}: {found:?}");
                assert!(found.upper.value >= floor - tolerance, "{votes} votes, {floor}: {found:?}");
                assert!(found.plug_in < found.lower.value && found.upper.value < found.constant_log_loss);
                assert!((found.share_of_rows - votes as f64 / 10.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn the_model_finds_the_floor_of_dirichlet_votes_and_the_bounds_close_with_more_votes() {
        let width = |votes: usize| {
            let (battles, floor) = simulated(votes, dirichlet);
            let found = from_votes(&battles, 1).unwrap();
            assert!((found.model.value - floor).abs() < 0.02, "{votes} votes, {floor}: {found:?}");
            let [low, high] = found.model.interval.unwrap();
            assert!(low < floor && floor < high, "{votes} votes, {floor}: {found:?}");
            found.upper.value - found.lower.value
        };
        let widths = [3, 6, 20].map(width);
        assert!(widths.is_sorted_by(|wide, narrow| wide > narrow) && widths[2] < 0.12, "{widths:?}");
    }

    #[test]
    fn unanimous_votes_have_a_floor_near_zero_and_no_votes_have_none() {
        let (battles, _) = simulated(5, |_| [0.0, 1.0, 0.0]);
        let found = from_votes(&battles, 1).unwrap();
        assert!(
            found.lower.value.abs() < 1e-12 && found.model.value < 0.02 && found.upper.value < 0.02,
            "{found:?}"
        );
        assert!(from_votes(&[], 1).is_none());
    }
}

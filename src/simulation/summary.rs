use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Oddity, SimulatedBattle};
use crate::battle::Class;

/// Shares of the three classes, in the order A, B, tie.
pub type Shares = [f64; 3];

/// How often one oddity came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OddityCount {
    /// What is odd.
    pub oddity: Oddity,
    /// Rows.
    pub rows: u64,
}

/// What some rows of an arena are like. Log losses in nats.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Rows.
    pub rows: u64,
    /// Shares of the drawn votes.
    pub class_shares: Shares,
    /// Mean entropy of the true probabilities: what no predictor can go below in the long run.
    pub floor_log_loss: f64,
    /// Log loss of the true probabilities on the drawn votes.
    pub truth_log_loss: f64,
    /// Log loss of the shares of the drawn votes as a constant prediction.
    pub prior_log_loss: f64,
    /// Share of rows with more than one turn.
    pub multi_turn: f64,
    /// Share of rows that are a further vote on an earlier pair of responses.
    pub repeated_votes: f64,
    /// Mean characters of all that one side of a row says.
    pub mean_response_characters: f64,
    /// Rows of each language, most frequent first.
    pub languages: Vec<(String, u64)>,
    /// Odd rows by what is odd about them.
    pub oddities: Vec<OddityCount>,
}

/// Sums over rows, from which a `Summary` is made; added in order, so that no thread changes a bit.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    rows: u64,
    votes: [u64; 3],
    entropy: f64,
    truth_loss: f64,
    multi_turn: u64,
    repeated: u64,
    characters: u64,
    languages: BTreeMap<String, u64>,
    oddities: BTreeMap<Oddity, u64>,
}

impl Tally {
    /// Counts a row.
    pub fn add(&mut self, battle: &SimulatedBattle) {
        let truth = battle.truth;
        let vote = battle.labeled.target.largest();
        self.rows += 1;
        self.votes[vote.index()] += 1;
        self.truth_loss -= truth.ln()[vote.index()];
        self.entropy += Class::ALL.into_iter().map(|class| surprise(truth.of(class))).sum::<f64>();
        self.repeated += u64::from(battle.repeated);
        let turns = &battle.labeled.battle.turns;
        self.multi_turn += u64::from(turns.len() > 1);
        for turn in turns.iter() {
            for response in [&turn.response_a, &turn.response_b] {
                self.characters += response.as_str().chars().count() as u64;
            }
        }
        if let Some(language) = &battle.labeled.language {
            *self.languages.entry(language.clone()).or_default() += 1;
        }
        if let Some(oddity) = battle.oddity {
            *self.oddities.entry(oddity).or_default() += 1;
        }
    }

    /// What the rows are like; all zero where there are none.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let rows = (self.rows as f64).max(1.0);
        let class_shares = self.votes.map(|votes| votes as f64 / rows);
        let mut languages: Vec<(String, u64)> = self.languages.clone().into_iter().collect();
        languages.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let oddities = self.oddities.iter().map(|(&oddity, &rows)| OddityCount { oddity, rows }).collect();
        Summary {
            rows: self.rows,
            class_shares,
            floor_log_loss: self.entropy / rows,
            truth_log_loss: self.truth_loss / rows,
            prior_log_loss: class_shares.into_iter().map(surprise).sum(),
            multi_turn: self.multi_turn as f64 / rows,
            repeated_votes: self.repeated as f64 / rows,
            mean_response_characters: self.characters as f64 / (2.0 * rows),
            languages,
            oddities,
        }
    }
}

/// -p ln p, and 0 at 0.
fn surprise(probability: f64) -> f64 {
    if probability > 0.0 { -probability * probability.ln() } else { 0.0 }
}

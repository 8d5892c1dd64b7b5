use std::collections::BTreeMap;

use super::{Battle, BattleId, Target, Vote};

/// A battle with what the person said of it, and what only training rows hold.
#[derive(Clone, Debug, PartialEq)]
pub struct LabeledBattle {
    /// What a predictor may see.
    pub battle: Battle,
    /// The vote, where the file records one; soft labels have none.
    pub vote: Option<Vote>,
    /// What the row should be predicted as.
    pub target: Target,
    /// How much the row counts in a fit; positive and finite, 1 unless the configuration says otherwise.
    pub weight: f64,
    /// The names of the models, A first.
    pub models: Option<[String; 2]>,
    /// The session of the person, where the file records one.
    pub session: Option<String>,
    /// The language as the file calls it.
    pub language: Option<String>,
    /// Every column that is not ours, as text.
    pub metadata: BTreeMap<String, String>,
}

impl LabeledBattle {
    /// The same row with the two sides exchanged; an involution.
    #[must_use]
    pub fn swapped(&self) -> Self {
        Self {
            battle: self.battle.swapped(),
            vote: self.vote.map(Vote::swapped),
            target: self.target.swapped(),
            models: self.models.clone().map(|[a, b]| [b, a]),
            ..self.clone()
        }
    }
}

/// A vote on two named models without any text, for ratings.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The key of the row.
    pub id: BattleId,
    /// The names of the models, A first.
    pub models: [String; 2],
    /// What the person said.
    pub vote: Vote,
    /// How many votes the row stands for; positive and finite.
    pub weight: f64,
}

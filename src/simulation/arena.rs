use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use super::compose::answer;
use super::contestants::CONTESTANTS;
use super::degenerate::Oddity;
use super::dice::{Dice, Purpose, floor};
use super::programs::programs;
use super::reward::visible_reward;
use super::tasks::{Materials, Task, follow_up, task};
use super::texts::library;
use super::translations::sentences;
use super::{ArenaParameters, SimulatedBattle, SimulationError};
use crate::battle::{Battle, BattleId, LabeledBattle, Probabilities, Response, Target, Turn, Vote};
use crate::ties::{NonNegative, Positive, TieModel};

/// A place where simulated people judge simulated models.
pub struct Arena {
    parameters: ArenaParameters,
    materials: Materials,
    link: TieModel,
    /// The link of two answers that nobody can tell apart.
    even_link: TieModel,
}

/// Both sides of a row before anybody looks at them.
struct Content {
    turns: Vec<Turn>,
    models: [String; 2],
    rewards: [f64; 2],
    oddity: Option<Oddity>,
    language: &'static str,
}

/// How far back a repeated vote reaches, in rows.
const REACH: u64 = 400;
/// eta of answers that nobody can tell apart: P(tie) = 0.88, as on real rows with identical responses.
const EVEN_ETA: f64 = 2.75;
/// How much an answer that says nothing loses, in logits.
const SILENCE: f64 = 4.0;

impl Arena {
    /// An arena; checks the parameters and reads the built-in texts.
    ///
    /// # Errors
    /// `SimulationError::Parameter` when a parameter is outside its range.
    pub fn new(parameters: &ArenaParameters) -> Result<Self, SimulationError> {
        let parameters = parameters.checked()?;
        let materials = Materials { texts: library()?, programs: programs()?, sentences: sentences()? };
        let own = link(parameters.tie_threshold)?;
        let even_link = link(EVEN_ETA.max(parameters.tie_threshold))?;
        Ok(Self { parameters, materials, link: own, even_link })
    }

    /// What the arena was made with.
    #[must_use]
    pub fn parameters(&self) -> &ArenaParameters {
        &self.parameters
    }

    /// The rows of a range, in order, made in parallel: each depends on the parameters and its number
    /// alone. Rows from `battles` on are those of the test file.
    #[must_use]
    pub fn battles(&self, rows: Range<u64>) -> Vec<SimulatedBattle> {
        rows.into_par_iter().map(|row| self.battle(row)).collect()
    }

    /// One row.
    #[must_use]
    pub fn battle(&self, row: u64) -> SimulatedBattle {
        let (source, swapped) = self.source(row);
        let mut content = self.content(source);
        if swapped {
            content.turns = content.turns.iter().map(Turn::swapped).collect();
            content.models.swap(0, 1);
            content.rewards.swap(0, 1);
        }
        let truth = self.truth(&content);
        let vote = vote(truth, &mut Dice::new(self.parameters.seed, Purpose::Vote, row));
        let battle = Battle { id: self.id(row), system: None, turns: content.turns.into() };
        let labeled = LabeledBattle {
            battle,
            vote: Some(vote),
            target: Target::from(vote),
            weight: 1.0,
            models: Some(content.models),
            session: None,
            language: Some(content.language.to_owned()),
            metadata: BTreeMap::new(),
        };
        SimulatedBattle { labeled, truth, oddity: content.oddity, repeated: source != row }
    }

    /// The row whose responses a row judges, and whether their sides are exchanged: mostly itself.
    fn source(&self, row: u64) -> (u64, bool) {
        let first = if row < self.parameters.battles { 0 } else { self.parameters.battles };
        let (mut source, mut swapped) = (row, false);
        while source > first {
            let mut dice = Dice::new(self.parameters.seed, Purpose::Plan, source);
            if !dice.chance(self.parameters.repeat_votes) {
                break;
            }
            let reach = usize::try_from((source - first).min(REACH)).unwrap_or(1);
            source -= 1 + dice.below(reach) as u64;
            swapped ^= dice.chance(0.5);
        }
        (source, swapped)
    }

    fn content(&self, row: u64) -> Content {
        let conversation = self.conversation(row);
        let mut dice = Dice::new(self.parameters.seed, Purpose::Responses, row);
        let first = dice.weighted(CONTESTANTS.iter().map(|contestant| contestant.popularity));
        let second = (first + 1 + dice.below(CONTESTANTS.len() - 1)) % CONTESTANTS.len();
        // The popular models are the strong ones, and must not all stand on one side.
        let sides = if dice.chance(0.5) { [first, second] } else { [second, first] };
        let contestants = sides.map(|side| &CONTESTANTS[side]);
        let mut rewards = [0.0; 2];
        let mut turns: Vec<Turn> = Vec::new();
        let weights = (conversation.len() * (conversation.len() + 1) / 2) as f64;
        for (index, task) in conversation.iter().enumerate() {
            let mut texts = [const { String::new() }; 2];
            for side in 0..2 {
                let answered =
                    answer(&self.materials, &self.parameters, (task, contestants[side]), &mut dice);
                // The last turns count most: they are what people have before their eyes.
                let weight = (index + 1) as f64 / weights;
                rewards[side] += weight * visible_reward(task, &answered.qualities, &self.parameters);
                texts[side] = answered.text;
            }
            let [a, b] = texts.map(Response::Text);
            turns.push(Turn { prompt: task.prompt.clone(), response_a: a, response_b: b });
        }
        let mut rewards = rewards.map(|reward| {
            self.parameters.reward_scale * (reward + self.parameters.hidden_reward * dice.normal())
        });
        let oddity = dice.chance(self.parameters.degenerate).then(|| Oddity::draw(&mut dice));
        if let Some(oddity) = oddity {
            oddity.apply(&mut turns);
            rewards[1] -= if oddity.silences_b() { SILENCE } else { 0.0 };
        }
        let models = contestants.map(|contestant| contestant.name.to_owned());
        let language = conversation.first().map_or("", |task| task.language.name());
        Content { turns, models, rewards, oddity, language }
    }

    /// The prompts of a row: its own, or those of a popular conversation.
    fn conversation(&self, row: u64) -> Vec<Task> {
        let mut plan = Dice::new(self.parameters.seed, Purpose::Plan, row);
        // The first numbers of the stream decide about repeated votes.
        let _ = (plan.unit(), plan.unit(), plan.unit());
        let popular = plan.chance(self.parameters.popular_prompts);
        let mut dice = if popular {
            let kept = (self.parameters.battles / 20).max(1) as f64;
            let index = floor(kept * plan.unit().powi(2));
            Dice::new(self.parameters.seed, Purpose::PopularPrompt, index as u64)
        } else {
            Dice::new(self.parameters.seed, Purpose::Prompt, row)
        };
        let mut tasks = vec![task(&self.materials, &mut dice)];
        let texts = self.materials.of(tasks[0].language);
        let mut goes_on = dice.chance(self.parameters.multi_turn);
        while goes_on && tasks.len() < 8 {
            let next = follow_up(texts, &tasks[0], &mut dice);
            tasks.push(next);
            goes_on = dice.chance(0.4);
        }
        tasks
    }

    fn truth(&self, content: &Content) -> Probabilities {
        let [a, b] = content.rewards;
        let even = content.oddity.is_some_and(Oddity::is_even);
        let (link, rewards) = if even { (&self.even_link, [0.0; 2]) } else { (&self.link, [a, b]) };
        let biased = [rewards[0] + self.parameters.position_bias, rewards[1]];
        // Rewards of an arena are sums of a few bounded numbers, so this never falls back.
        link.probabilities(biased).unwrap_or(Probabilities::UNIFORM)
    }

    /// Ids beyond 32-bit signed integers, ascending, with gaps, as the competition has them.
    fn id(&self, row: u64) -> BattleId {
        let step = (1_u64 << 31) / (self.parameters.battles + self.parameters.test_battles).max(1);
        let jitter =
            Dice::new(self.parameters.seed, Purpose::Id, row).below(usize::try_from(step).unwrap_or(1));
        BattleId(((1_u64 << 31).wrapping_add(row.wrapping_mul(step)).wrapping_add(jitter as u64)).to_string())
    }
}

/// Rao-Kupper in logits: the rewards are scaled already.
fn link(eta: f64) -> Result<TieModel, SimulationError> {
    let refused = |_| SimulationError::Parameter {
        name: "tie_threshold",
        value: eta,
        range: "a finite number of at least 0",
    };
    let temperature = Positive::new(1.0).map_err(refused)?;
    Ok(TieModel::RaoKupper { temperature, eta: NonNegative::new(eta).map_err(refused)? })
}

fn vote(truth: Probabilities, dice: &mut Dice) -> Vote {
    let votes = [Vote::A, Vote::B, Vote::Tie];
    votes[dice.weighted(truth.to_array().into_iter())]
}

use serde::{Deserialize, Serialize};

use super::SimulationError;

/// What decides a simulated arena; the same values give the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArenaParameters {
    /// Every random choice derives from it.
    pub seed: u64,
    /// Rows with a vote that is given away; rows from here on belong to the test file.
    pub battles: u64,
    /// Rows of the test file.
    pub test_battles: u64,
    /// Reward of an answer e times as long as usual; negative where people prefer short answers.
    pub verbosity_bias: f64,
    /// Reward of standing on side A, in logits.
    pub position_bias: f64,
    /// eta of Rao-Kupper: half-width of the zone of ties, in logits.
    pub tie_threshold: f64,
    /// How many logits one unit of reward is worth; 0 makes all votes chance.
    pub reward_scale: f64,
    /// Standard deviation of the part of the reward that people see and no text shows.
    pub hidden_reward: f64,
    /// Share of rows that are a further vote on the responses of an earlier row.
    pub repeat_votes: f64,
    /// Share of rows with more than one turn.
    pub multi_turn: f64,
    /// Share of rows whose prompt comes from a small set of popular ones.
    pub popular_prompts: f64,
    /// Share of rows that are degenerate in the ways real files are.
    pub degenerate: f64,
    /// Factor on the length of all responses; 1 gives a mean of about 1,400 characters.
    pub response_length: f64,
}

impl Default for ArenaParameters {
    fn default() -> Self {
        Self {
            seed: 1,
            battles: 4_000,
            test_battles: 1_000,
            verbosity_bias: 0.35,
            position_bias: 0.02,
            tie_threshold: 0.80,
            reward_scale: 0.42,
            hidden_reward: 1.0,
            repeat_votes: 0.03,
            multi_turn: 0.13,
            popular_prompts: 0.15,
            degenerate: 0.003,
            response_length: 1.0,
        }
    }
}

/// The largest number of rows: every id then still is a 32-bit unsigned integer.
const MOST_ROWS: u64 = 100_000_000;

impl ArenaParameters {
    /// The same parameters, if all are in their ranges.
    ///
    /// # Errors
    /// `SimulationError::Parameter` names the first that is not.
    pub fn checked(self) -> Result<Self, SimulationError> {
        let share = "a share in 0..1";
        let bias = "between -20 and 20";
        let not_negative = "between 0 and 20";
        let rows = [("battles", self.battles), ("test_battles", self.test_battles)];
        for (name, value) in rows {
            in_range(name, value as f64, 0.0..=MOST_ROWS as f64, "at most 100000000")?;
        }
        in_range("verbosity_bias", self.verbosity_bias, -20.0..=20.0, bias)?;
        in_range("position_bias", self.position_bias, -20.0..=20.0, bias)?;
        in_range("tie_threshold", self.tie_threshold, 0.0..=20.0, not_negative)?;
        in_range("reward_scale", self.reward_scale, 0.0..=20.0, not_negative)?;
        in_range("hidden_reward", self.hidden_reward, 0.0..=20.0, not_negative)?;
        in_range("repeat_votes", self.repeat_votes, 0.0..=0.9, "a share in 0..0.9")?;
        in_range("multi_turn", self.multi_turn, 0.0..=1.0, share)?;
        in_range("popular_prompts", self.popular_prompts, 0.0..=1.0, share)?;
        in_range("degenerate", self.degenerate, 0.0..=1.0, share)?;
        in_range("response_length", self.response_length, 0.02..=20.0, "between 0.02 and 20")?;
        Ok(self)
    }
}

fn in_range(
    name: &'static str,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
    words: &'static str,
) -> Result<(), SimulationError> {
    if range.contains(&value) {
        Ok(())
    } else {
        Err(SimulationError::Parameter { name, value, range: words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_out_of_range_is_named() {
        let wrong = ArenaParameters { repeat_votes: f64::NAN, ..ArenaParameters::default() };
        assert!(wrong.checked().unwrap_err().to_string().starts_with("`repeat_votes` is `NaN`; it must be"));
        assert!(ArenaParameters::default().checked().is_ok());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(serde_json::from_str::<ArenaParameters>(r#"{"sead": 1}"#).is_err());
        let few: ArenaParameters = serde_json::from_str(r#"{"seed": 7}"#).unwrap();
        assert_eq!(few, ArenaParameters { seed: 7, ..ArenaParameters::default() });
    }
}

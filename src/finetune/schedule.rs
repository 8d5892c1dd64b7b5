use serde::{Deserialize, Serialize};

/// How the learning rate falls behind the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// It stays.
    Constant,
    /// In a straight line to 0 at the last step.
    Linear,
    #[default]
    /// By half a wave of the cosine to 0 at the last step.
    Cosine,
}

/// The factor of the learning rate by step, as transformers' schedules of the same names have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Steps in which it rises from 0 in a straight line.
    pub warmup_steps: u64,
    /// Steps of the whole training.
    pub total_steps: u64,
    /// What follows.
    pub decay: Decay,
}

impl Schedule {
    /// The factor at a step, counted from 0; the very first of a warm-up is 0.
    #[must_use]
    pub fn factor(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return step as f64 / self.warmup_steps.max(1) as f64;
        }
        let length = self.total_steps.saturating_sub(self.warmup_steps).max(1);
        let gone = ((step - self.warmup_steps) as f64 / length as f64).min(1.0);
        match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear => 1.0 - gone,
            Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * gone).cos()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_to_one_and_falls_to_zero() {
        let factors = |decay| {
            let schedule = Schedule { warmup_steps: 2, total_steps: 6, decay };
            (0..8).map(|step| schedule.factor(step)).collect::<Vec<f64>>()
        };
        assert_eq!(factors(Decay::Linear), [0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]);
        assert_eq!(factors(Decay::Constant)[2..], [1.0; 6]);
        let cosine = factors(Decay::Cosine);
        assert!((cosine[4] - 0.5).abs() < 1e-12 && cosine[6].abs() < 1e-12 && cosine[3] > 0.75);
    }
}

use crate::checkpoint::{RotaryConfig, RotaryScaling};

/// Rotary positions (Su et al. 2021): the two halves of a head are turned against each other by an angle that
/// grows with the position, dimension i by `position * base^(-2i/width)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotary {
    /// Base of the wavelengths.
    pub base: f64,
    /// Width of a head.
    pub width: usize,
    /// The longest text, in tokens.
    pub max_positions: usize,
    /// How the wavelengths are stretched.
    pub scaling: RotaryScaling,
}

impl Rotary {
    /// As config.json states them, for heads of this width.
    #[must_use]
    pub fn new(config: RotaryConfig, width: usize, max_positions: usize) -> Self {
        Self { base: config.base, width, max_positions, scaling: config.scaling }
    }

    /// Cosines and sines, `positions` rows of `width / 2` numbers.
    ///
    /// The angle is a product of f32, as in the programs that the models were trained with: at position 8,000 it
    /// is off by up to 0.0005, and the weights have learnt that.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the tables are f32 on purpose")]
    pub fn tables(&self, positions: usize) -> [Vec<f32>; 2] {
        let half = self.width / 2;
        let frequency = |index: usize| {
            let power = self.base.powf((2 * index) as f64 / self.width as f64) as f32;
            self.scaled(1.0 / power)
        };
        let frequencies: Vec<f32> = (0..half).map(frequency).collect();
        let (mut cosines, mut sines) =
            (Vec::with_capacity(positions * half), Vec::with_capacity(positions * half));
        for position in 0..positions {
            for frequency in &frequencies {
                let angle = f64::from(position as f32 * frequency);
                cosines.push(angle.cos() as f32);
                sines.push(angle.sin() as f32);
            }
        }
        [cosines, sines]
    }

    #[expect(clippy::cast_possible_truncation, reason = "frequencies are f32 on purpose")]
    fn scaled(&self, frequency: f32) -> f32 {
        match self.scaling {
            RotaryScaling::None => frequency,
            RotaryScaling::Linear { factor } => frequency / factor as f32,
            RotaryScaling::Llama3 { factor, low, high, original } => {
                let wavelength = std::f64::consts::TAU as f32 / frequency;
                if wavelength < (original / high) as f32 {
                    return frequency;
                }
                let stretched = frequency / factor as f32;
                if wavelength > (original / low) as f32 {
                    return stretched;
                }
                let share = (original as f32 / wavelength - low as f32) / (high - low) as f32;
                (1.0 - share) * stretched + share * frequency
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotary(width: usize, scaling: RotaryScaling) -> Rotary {
        Rotary { base: 10_000.0, width, max_positions: 8, scaling }
    }

    #[test]
    fn long_waves_are_stretched_short_ones_stay_and_those_between_are_interpolated() {
        let scaling = RotaryScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 128.0 };
        let [_, sines] = rotary(8, scaling).tables(2);
        let found: Vec<f32> = sines[4..].iter().map(|sine| sine.asin()).collect();
        // ROPE_INIT_FUNCTIONS["llama3"] of transformers 5.24.0.
        let expected = [1.0, 0.042_751_18, 0.001_25, 0.000_125];
        assert!(found.iter().zip(expected).all(|(a, b)| (a / b - 1.0).abs() < 1e-5), "{found:?}");
        let [_, sines] = rotary(4, RotaryScaling::Linear { factor: 2.0 }).tables(2);
        assert!((sines[2] - 0.5f32.sin()).abs() < 1e-7);
    }

    #[test]
    fn the_first_position_is_not_turned_and_the_first_dimension_turns_by_one() {
        let rotary = rotary(4, RotaryScaling::None);
        let [cosines, sines] = rotary.tables(2);
        assert_eq!(cosines[..2], [1.0, 1.0]);
        assert_eq!(sines[..2], [0.0, 0.0]);
        assert!((cosines[2] - 1f32.cos()).abs() < 1e-7);
        assert!((sines[3] - 0.01f32.sin()).abs() < 1e-9);
    }
}

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
}

impl Rotary {
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
            1.0 / power
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_position_is_not_turned_and_the_first_dimension_turns_by_one() {
        let rotary = Rotary { base: 10_000.0, width: 4, max_positions: 8 };
        let [cosines, sines] = rotary.tables(2);
        assert_eq!(cosines[..2], [1.0, 1.0]);
        assert_eq!(sines[..2], [0.0, 0.0]);
        assert!((cosines[2] - 1f32.cos()).abs() < 1e-7);
        assert!((sines[3] - 0.01f32.sin()).abs() < 1e-9);
    }
}

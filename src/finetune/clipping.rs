use std::collections::BTreeMap;

/// Added to the norm before it divides, as torch's `clip_grad_norm_` has it.
const EPSILON: f64 = 1e-6;
/// Numbers whose sum of squares is one partial result.
const BLOCK: usize = 1 << 14;

/// The root of the sum of all squares.
#[must_use]
pub fn global_norm(gradients: &BTreeMap<String, Vec<f32>>) -> f64 {
    let blocks = gradients.values().flat_map(|gradient| gradient.chunks(BLOCK));
    let squares = blocks.map(|block| block.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>());
    squares.sum::<f64>().sqrt()
}

/// Scales the gradients down to a norm of `most`, where theirs (`norm`) is larger.
#[expect(clippy::cast_possible_truncation, reason = "gradients are f32")]
pub fn clip(gradients: &mut BTreeMap<String, Vec<f32>>, norm: f64, most: f64) {
    let factor = most / (norm + EPSILON);
    if factor < 1.0 {
        let factor = factor as f32;
        gradients.values_mut().flatten().for_each(|value| *value *= factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_gradients_are_shortened_together_and_short_ones_stay() {
        let mut gradients: BTreeMap<String, Vec<f32>> =
            [("a".to_owned(), vec![3.0]), ("b".to_owned(), vec![0.0, 4.0])].into();
        assert_eq!(global_norm(&gradients), 5.0);
        clip(&mut gradients, 5.0, 10.0);
        assert_eq!(gradients["b"][1], 4.0);
        clip(&mut gradients, 5.0, 1.0);
        assert!((global_norm(&gradients) - 1.0).abs() < 1e-6);
        assert!((gradients["a"][0] - 0.6).abs() < 1e-6);
    }
}

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A normal number around 0 by the transform of Box and Muller (1958).
#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
pub fn normal(random: &mut ChaCha8Rng, deviation: f64) -> f32 {
    // 1 - u is never 0, whose logarithm would be infinite.
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    let angle = std::f64::consts::TAU * random.random::<f64>();
    (deviation * radius * angle.cos()) as f32
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn numbers_are_normal_and_decided_by_the_seed() {
        let draw = |seed| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            (0..20_000).map(|_| normal(&mut random, 0.02)).collect::<Vec<f32>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let drawn = draw(3);
        let mean = drawn.iter().map(|&v| f64::from(v)).sum::<f64>() / 20_000.0;
        let deviation = (drawn.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / 20_000.0).sqrt();
        assert!(mean.abs() < 0.001 && (deviation / 0.02 - 1.0).abs() < 0.03, "{mean} {deviation}");
    }
}

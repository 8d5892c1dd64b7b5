//! Elementary functions without branches, so that loops over them become vector instructions. Not a number stays
//! not a number: training must see that it diverged.
#![allow(clippy::inline_always, reason = "a call that is not inlined runs without vector instructions")]

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

/// e^x to 2 units in the last place (the polynomial of Cephes); beyond what f32 holds, its ends.
#[inline(always)]
pub(in super::super) fn exp(x: f32) -> f32 {
    // Adding it leaves the nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = p * r + coefficient;
    }
    let p = p * r * r + r + 1.0;
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// The hyperbolic tangent to 3e-7 of its value (Cephes).
#[inline(always)]
pub(in super::super) fn tanh(x: f32) -> f32 {
    let size = x.abs();
    let square = x * x;
    let mut p = -5.704_988_7e-3;
    for coefficient in [2.063_909e-2, -5.373_971_4e-2, 0.133_314_42, -0.333_332_8] {
        p = p * square + coefficient;
    }
    let near = x + x * square * p;
    let far = (1.0 - 2.0 / (exp(2.0 * size) + 1.0)).copysign(x);
    if size < 0.625 { near } else { far }
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(in super::super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The normal distribution and its density at x, both to 1e-7.
///
/// The tail is e^(-z^2) times a polynomial in 1 / (1 + z/2), as Hastings (1955) has it, of degree 7, fitted by least
/// squares with the weights of the largest error.
#[inline(always)]
pub(in super::super) fn normal(x: f32) -> [f32; 2] {
    const DENSITY_AT_0: f32 = 0.398_942_3;
    let z = x.abs() * FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * z);
    let mut p = 0.058_760_73;
    for coefficient in [-0.218_047_41, 0.121_811_93, 0.308_052_84, 0.130_632_98, 0.321_761_67, 0.277_027_28] {
        p = p * t + coefficient;
    }
    let power = exp(-0.5 * x * x);
    let tail = 0.5 * power * p * t;
    let whole = if x > 0.0 { 1.0 - tail } else { tail };
    [whole, DENSITY_AT_0 * power]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> impl Iterator<Item = f32> {
        (-8000..=8000).map(|n| n as f32 / 1000.0)
    }

    #[test]
    fn the_exponential_is_that_of_the_library_to_three_units_in_the_last_place() {
        for x in (-8600..=8800).map(|n| n as f32 / 100.0) {
            let [found, expected] = [exp(x), x.exp()];
            assert!((found - expected).abs() <= 4e-7 * expected, "{x}: {found} {expected}");
        }
        assert!(exp(-1e30) < 2e-38 && exp(1e30) > 1e38 && exp(f32::NAN).is_nan());
    }

    #[test]
    fn the_tangent_and_the_normal_distribution_are_those_of_the_library() {
        for x in grid() {
            assert!((tanh(x) - x.tanh()).abs() <= 3e-7 * x.tanh().abs(), "{x}");
        }
        // From the error function of the C library.
        for (x, expected) in [(0.0, 0.5), (0.5, 0.691_462_5), (-1.0, 0.158_655_25), (-3.0, 0.001_349_898)] {
            assert!((normal(x)[0] - expected).abs() < 1.5e-7, "{x} {:?}", normal(x));
        }
        assert!(normal(f32::NAN)[0].is_nan() && tanh(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan());
    }

    #[test]
    fn the_density_is_the_slope_of_the_distribution() {
        for x in grid().step_by(50) {
            let slope = (f64::from(normal(x + 0.05)[0]) - f64::from(normal(x - 0.05)[0])) / 0.1;
            assert!((slope - f64::from(normal(x)[1])).abs() < 3e-4, "{x}");
        }
    }
}

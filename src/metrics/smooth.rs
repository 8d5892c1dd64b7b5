use std::f64::consts::PI;
use std::sync::LazyLock;

/// Residuals are collected on nodes this many to the unit interval.
const NODES: usize = 2048;
/// Frequencies kept; a kernel of width 0.004 needs all of them.
const FREQUENCIES: usize = 512;
/// Where the smoothed residual is integrated.
const POINTS: usize = 512;

/// cos(pi m / NODES) for one whole period.
static COSINES: LazyLock<Vec<f64>> =
    LazyLock::new(|| (0..2 * NODES).map(|m| (PI * m as f64 / NODES as f64).cos()).collect());

/// The smooth calibration error, 0..1: the mean absolute residual after smoothing it over the predicted
/// probability with a Gaussian kernel reflected at 0 and 1, whose width is the error itself (the one
/// width at which the two agree). It has no bins and moves continuously with the predictions.
///
/// Blasiok and Nakkiran, "Smooth ECE", 2023. The reflected Gaussian is the heat kernel of the unit
/// interval, so that smoothing multiplies cosine coefficients by `exp(-(pi k width)^2 / 2)`.
#[must_use]
pub fn smooth_calibration_error(predicted: &[f64], observed: &[f64]) -> f64 {
    let spectrum = spectrum(predicted, observed);
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..24 {
        let width = f64::midpoint(low, high);
        if smoothed(&spectrum, width) > width {
            low = width;
        } else {
            high = width;
        }
    }
    f64::midpoint(low, high)
}

/// The cosine coefficients of the residuals `observed - predicted`, each over the number of rows.
fn spectrum(predicted: &[f64], observed: &[f64]) -> Vec<f64> {
    let mut mass = vec![0.0; NODES + 1];
    let rows = predicted.len().max(1) as f64;
    for (p, y) in predicted.iter().zip(observed) {
        let position = p.clamp(0.0, 1.0) * NODES as f64;
        let below = position.floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=NODES")]
        let node = (below as usize).min(NODES - 1);
        let above = position - node as f64;
        mass[node] += (1.0 - above) * (y - p) / rows;
        mass[node + 1] += above * (y - p) / rows;
    }
    let occupied: Vec<(usize, f64)> = mass.into_iter().enumerate().filter(|(_, mass)| *mass != 0.0).collect();
    let coefficient =
        |k: usize| occupied.iter().map(|(node, mass)| mass * COSINES[k * node % (2 * NODES)]).sum();
    (0..FREQUENCIES).map(coefficient).collect()
}

/// The integral of the absolute smoothed residual for one kernel width.
fn smoothed(spectrum: &[f64], width: f64) -> f64 {
    let damp = |(k, coefficient): (usize, &f64)| {
        let exponent = PI * k as f64 * width;
        coefficient * (-0.5 * exponent * exponent).exp() * if k == 0 { 1.0 } else { 2.0 }
    };
    let damped: Vec<f64> = spectrum.iter().enumerate().take(damped_length(width)).map(damp).collect();
    let step = NODES / POINTS;
    let value = |point: usize| {
        let phase = (2 * point + 1) * step / 2;
        let terms = damped.iter().enumerate();
        terms.map(|(k, term)| term * COSINES[k * phase % (2 * NODES)]).sum::<f64>().abs()
    };
    (0..POINTS).map(value).sum::<f64>() / POINTS as f64
}

/// How many frequencies a kernel of this width leaves above 1e-10 of their size.
fn damped_length(width: f64) -> usize {
    let needed = (6.8 / (PI * width.max(1e-9))).ceil() + 1.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..FREQUENCIES")]
    let length = needed.clamp(1.0, FREQUENCIES as f64) as usize;
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_gap_is_found_whole() {
        let predicted: Vec<f64> = (0..1000).map(|row| 0.2 + 0.5 * f64::from(row) / 1000.0).collect();
        let observed: Vec<f64> = predicted.iter().map(|p| p + 0.1).collect();
        assert!((smooth_calibration_error(&predicted, &observed) - 0.1).abs() < 1e-3);
        assert!(smooth_calibration_error(&predicted, &predicted) < 1e-6);
    }

    #[test]
    fn the_ends_of_the_scale_and_a_single_row_are_fine() {
        let wrong = smooth_calibration_error(&[1.0, 0.0], &[0.0, 1.0]);
        assert!((0.2..1.0).contains(&wrong), "{wrong}");
        assert!((smooth_calibration_error(&[1.0], &[0.0]) - 1.0).abs() < 1e-6);
        assert!(smooth_calibration_error(&[], &[]) < 1e-6);
    }
}

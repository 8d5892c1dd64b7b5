use super::newton::{LAST_DECREASE, Objective, solve};

/// Minimises a convex function over weights that are positive and sum to 1, by Newton's method along
/// that plane. The function must grow without bound towards a weight of 0 (a logarithmic penalty does).
pub(super) fn minimise_on_simplex(size: usize, evaluate: impl Fn(&[f64]) -> Objective) -> Vec<f64> {
    let mut weights = vec![1.0 / size as f64; size];
    let mut here = evaluate(&weights);
    for _ in 0..60 {
        let Some(step) = step_along(&here) else { break };
        let decrease: f64 = step.iter().zip(&here.gradient).map(|(s, g)| s * g).sum();
        if decrease > -LAST_DECREASE {
            break;
        }
        // Never more than nearly all the way to the nearest weight of 0.
        let ratio = |(w, s): (&f64, &f64)| if *s < 0.0 { -0.95 * w / s } else { f64::INFINITY };
        let mut factor = weights.iter().zip(&step).map(ratio).fold(1.0, f64::min);
        let mut moved = false;
        for _ in 0..30 {
            let next: Vec<f64> = weights.iter().zip(&step).map(|(w, s)| w + factor * s).collect();
            let there = evaluate(&next);
            if there.value <= here.value + 1e-4 * factor * decrease {
                (weights, here, moved) = (next, there, true);
                break;
            }
            factor *= 0.5;
        }
        if !moved {
            break;
        }
    }
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// The Newton step among the directions whose entries sum to 0.
fn step_along(objective: &Objective) -> Option<Vec<f64>> {
    let ones = vec![1.0; objective.gradient.len()];
    let by_gradient = solve(objective.hessian.clone(), &objective.gradient)?;
    let by_ones = solve(objective.hessian.clone(), &ones)?;
    let multiplier = by_gradient.iter().sum::<f64>() / by_ones.iter().sum::<f64>();
    let step: Vec<f64> = by_gradient.iter().zip(&by_ones).map(|(g, o)| multiplier * o - g).collect();
    step.iter().all(|s| s.is_finite()).then_some(step)
}

use std::ops::{Add, Mul, Neg, Sub};

/// How many parameters a tie model may have.
pub(super) const PARAMETERS: usize = 3;

/// A number that a formula is written over: `f64` to predict, `Jet` to fit, so that each formula
/// stands once and its derivatives cannot drift from it.
pub(super) trait Scalar:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<f64, Output = Self> + Neg<Output = Self>
{
    /// A number that depends on no parameter.
    fn constant(value: f64) -> Self;

    /// The value without its derivatives.
    fn value(self) -> f64;

    /// A function of one number, given as its value, slope and curvature here.
    fn compose(self, function: impl Fn(f64) -> [f64; 3]) -> Self;

    /// ln(1 + e^x), without overflow.
    fn softplus(self) -> Self {
        self.compose(|x| {
            let slope = sigmoid(x);
            [softplus(x), slope, slope * sigmoid(-x)]
        })
    }

    /// ln(e^x - 1) for x > 0; minus infinity at 0.
    fn ln_expm1(self) -> Self {
        self.compose(|x| {
            let tail = (-x).exp_m1();
            [x + (-tail).ln(), -1.0 / tail, -((-x).exp()) / (tail * tail)]
        })
    }

    /// ln sigmoid(x) = -ln(1 + e^-x).
    fn ln_sigmoid(self) -> Self {
        -(-self).softplus()
    }

    /// ln(e^a + e^b); the order of the two changes no bit.
    fn ln_sum(self, other: Self) -> Self {
        if self.value() >= other.value() {
            self + (other - self).softplus()
        } else {
            other + (self - other).softplus()
        }
    }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let odds = x.exp();
        odds / (1.0 + odds)
    }
}

impl Scalar for f64 {
    fn constant(value: f64) -> Self {
        value
    }

    fn value(self) -> f64 {
        self
    }

    fn compose(self, function: impl Fn(f64) -> [f64; 3]) -> Self {
        function(self)[0]
    }
}

/// A number with its first and second derivatives by the parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jet {
    pub(super) value: f64,
    pub(super) gradient: [f64; PARAMETERS],
    pub(super) hessian: [[f64; PARAMETERS]; PARAMETERS],
}

impl Jet {
    /// The parameter with this index.
    pub(super) fn parameter(index: usize, value: f64) -> Self {
        let mut jet = Self::constant(value);
        jet.gradient[index] = 1.0;
        jet
    }

    fn zip(self, other: Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        let all = |i: usize, j: usize| combine(self.hessian[i][j], other.hessian[i][j]);
        Self {
            value: combine(self.value, other.value),
            gradient: [0, 1, 2].map(|i| combine(self.gradient[i], other.gradient[i])),
            hessian: [0, 1, 2].map(|i| [0, 1, 2].map(|j| all(i, j))),
        }
    }
}

impl Add for Jet {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for Jet {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl Neg for Jet {
    type Output = Self;

    fn neg(self) -> Self {
        self * -1.0
    }
}

impl Mul<f64> for Jet {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        self.zip(self, |a, _| a * factor)
    }
}

impl Scalar for Jet {
    fn constant(value: f64) -> Self {
        Self { value, gradient: [0.0; PARAMETERS], hessian: [[0.0; PARAMETERS]; PARAMETERS] }
    }

    fn value(self) -> f64 {
        self.value
    }

    fn compose(self, function: impl Fn(f64) -> [f64; 3]) -> Self {
        let [value, slope, curvature] = function(self.value);
        let g = self.gradient;
        Self {
            value,
            gradient: g.map(|derivative| slope * derivative),
            hessian: [0, 1, 2]
                .map(|i| [0, 1, 2].map(|j| slope * self.hessian[i][j] + curvature * g[i] * g[j])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_equal_finite_differences() {
        let function = |x: Jet| (x * 1.7).ln_expm1().ln_sum(x.ln_sigmoid() - x * x.value()).softplus();
        let plain = |x: f64, frozen: f64| (x * 1.7).ln_expm1().ln_sum(x.ln_sigmoid() - x * frozen).softplus();
        for x in [0.05, 0.4, 1.3, 4.0] {
            let jet = function(Jet::parameter(1, x));
            let step = 1e-4;
            let [low, here, high] = [x - step, x, x + step].map(|at| plain(at, x));
            assert!((jet.value - here).abs() < 1e-14);
            assert!((jet.gradient[1] - (high - low) / (2.0 * step)).abs() < 1e-7, "{jet:?}");
            assert!((jet.hessian[1][1] - (high - 2.0 * here + low) / (step * step)).abs() < 1e-5, "{jet:?}");
            assert!(jet.gradient[0].abs() < 1e-300 && jet.hessian[2][1].abs() < 1e-300);
        }
    }

    #[test]
    fn the_logarithms_survive_extreme_arguments() {
        assert!((800.0_f64.softplus() - 800.0).abs() < 1e-12);
        assert!((-800.0_f64).softplus() >= 0.0);
        assert!(((-1e300_f64).ln_sigmoid() + 1e300).abs() < 1e290);
        assert!(0.0_f64.ln_expm1().is_infinite());
        assert!((1e-12_f64.ln_expm1() - 1e-12_f64.ln()).abs() < 1e-9);
    }
}

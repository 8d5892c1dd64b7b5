use serde::{Deserialize, Serialize};

/// The non-linear functions of the families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x Phi(x), exactly.
    #[serde(alias = "gelu", alias = "gelu_python")]
    GeluErf,
    /// The approximation of x Phi(x) by a hyperbolic tangent.
    #[serde(alias = "gelu_pytorch_tanh", alias = "gelu_new", alias = "gelu_fast")]
    GeluTanh,
    /// x sigmoid(x).
    #[serde(alias = "swish")]
    Silu,
}

use std::sync::Arc;

use candle_core::Tensor;

use crate::checkpoint::NarrowMatrix;
use crate::compute::ComputeError;
use crate::compute::kernels::narrow::decoded;
use crate::compute::narrow_tensors::NarrowTensors;
use crate::compute::numbers::tensor;
use crate::compute::tape::Value;

/// The matrix of a linear map, or a table. Of narrow numbers a step keeps these alone: what is decoded of them ends with
/// the product that it was decoded for, and the way back decodes it again.
#[derive(Clone, Debug)]
pub(in super::super) enum Matrix {
    /// In f32.
    Full(Value),
    /// In narrow numbers, frozen.
    Narrow(Arc<NarrowMatrix>),
    /// The same where the tensors are.
    NarrowTensors(Arc<NarrowTensors>),
}

impl From<Value> for Matrix {
    fn from(value: Value) -> Self {
        Self::Full(value)
    }
}

impl Matrix {
    /// Rows and numbers of a row.
    pub(super) fn shape(&self) -> Result<(usize, usize), ComputeError> {
        match self {
            Self::Full(value) => Ok(value.tensor.dims2()?),
            Self::Narrow(narrow) => Ok(narrow.shape()),
            Self::NarrowTensors(narrow) => Ok(narrow.shape()),
        }
    }

    /// What a gradient may be wanted of.
    pub(super) fn value(&self) -> Option<&Value> {
        match self {
            Self::Full(value) => Some(value),
            Self::Narrow(_) | Self::NarrowTensors(_) => None,
        }
    }

    /// Its place on the tape, where a gradient is wanted of it.
    pub(super) fn node(&self) -> Option<usize> {
        self.value().and_then(|value| value.node)
    }

    /// All of it in f32, for as long as the caller keeps it.
    pub(in super::super) fn tensor(&self) -> Result<Tensor, ComputeError> {
        match self {
            Self::Full(value) => Ok(value.tensor.clone()),
            Self::Narrow(narrow) => {
                let (rows, width) = narrow.shape();
                tensor(decoded(narrow), &[rows, width])
            }
            Self::NarrowTensors(narrow) => narrow.decoded(),
        }
    }
}

//! Products of matrices, or of stacks of them, in the forms that every device takes.

use candle_core::{DType, Tensor};

use super::super::Matrix;
use crate::compute::ComputeError;

/// a b.
pub(super) fn times(a: &Tensor, b: &Tensor) -> Result<Tensor, ComputeError> {
    Ok(a.contiguous()?.matmul(&b.contiguous()?)?)
}

/// a b'.
pub(super) fn times_turned(a: &Tensor, b: &Tensor) -> Result<Tensor, ComputeError> {
    Ok(a.contiguous()?.matmul(&b.contiguous()?.t()?)?)
}

/// a' b.
pub(super) fn turned_times(a: &Tensor, b: &Tensor) -> Result<Tensor, ComputeError> {
    Ok(a.contiguous()?.t()?.matmul(&b.contiguous()?)?)
}

/// `x W'`, in the numbers of a narrow W, and given in f32.
pub(super) fn mapped(x: &Tensor, matrix: &Matrix) -> Result<Tensor, ComputeError> {
    by_matrix(x, matrix, times_turned)
}

/// `gradient W`: the way back of `mapped` to x.
pub(super) fn mapped_back(gradient: &Tensor, matrix: &Matrix) -> Result<Tensor, ComputeError> {
    by_matrix(gradient, matrix, times)
}

fn by_matrix(
    x: &Tensor,
    matrix: &Matrix,
    product: fn(&Tensor, &Tensor) -> Result<Tensor, ComputeError>,
) -> Result<Tensor, ComputeError> {
    match matrix {
        Matrix::Full(weight) => product(x, &weight.tensor),
        Matrix::Narrow(_) => Err(ComputeError::OtherEngine),
        Matrix::NarrowTensors(narrow) => {
            let weight = narrow.for_products()?;
            Ok(product(&x.to_dtype(weight.dtype())?, &weight)?.to_dtype(DType::F32)?)
        }
    }
}

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::check::{difference, values};
    use super::*;
    use crate::checkpoint::{BaseNumbers, NarrowMatrix};
    use crate::compute::Engine;
    use crate::compute::narrow_tensors::NarrowTensors;
    use crate::compute::numbers::{copied, tensor};

    #[test]
    fn products_with_narrow_numbers_are_those_of_the_same_numbers_in_f32_or_as_close_as_bf16_is() {
        for base in [BaseNumbers::Bf16, BaseNumbers::Int8, BaseNumbers::Int4] {
            let stored = NarrowMatrix::of_values(&values(6 * 40, 8), 40, base.of_maps().unwrap()).unwrap();
            let here = Matrix::Narrow(Arc::new(stored.clone())).tensor().unwrap();
            let (x, gradient) =
                (tensor(values(200, 1), &[5, 40]).unwrap(), tensor(values(30, 2), &[5, 6]).unwrap());
            let expected = [times_turned(&x, &here).unwrap(), times(&gradient, &here).unwrap()];
            for (engine, most) in [(Engine::double_of_old_gpu(), 0.0), (Engine::double_of_gpu(), 1e-2)] {
                let narrow = NarrowTensors::of(&stored, &engine).unwrap();
                let narrow = Matrix::NarrowTensors(Arc::new(narrow));
                let found = [mapped(&x, &narrow).unwrap(), mapped_back(&gradient, &narrow).unwrap()];
                for (found, expected) in found.iter().zip(&expected) {
                    let difference = difference(&copied(found).unwrap(), &copied(expected).unwrap());
                    assert!(difference <= most, "{base:?} {difference:e}");
                }
            }
        }
    }

    #[test]
    fn a_matrix_of_the_loops_is_refused() {
        let stored = NarrowMatrix::of_values(&values(4, 1), 2, BaseNumbers::Bf16.of_maps().unwrap()).unwrap();
        let x = tensor(values(4, 2), &[2, 2]).unwrap();
        assert!(mapped(&x, &Matrix::Narrow(Arc::new(stored))).is_err());
    }
}

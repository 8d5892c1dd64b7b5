use candle_core::{DType, Device, Tensor};
use half::bf16;

use super::{ComputeError, Engine};
use crate::checkpoint::{IntegerType, NarrowMatrix, NarrowParts};

/// A frozen matrix in narrow numbers where the tensors are, decoded there by arithmetic.
#[derive(Clone, Debug)]
pub(super) struct NarrowTensors {
    rows: usize,
    width: usize,
    stored: Stored,
    /// The numbers in which products with it are computed.
    products: DType,
}

#[derive(Clone, Debug)]
enum Stored {
    /// As numbers: [rows, width]; in f32 on a device that has no bf16.
    Numbers(Tensor),
    /// Bytes [rows, blocks, bytes of a block], scales and zero points [rows, blocks, 1].
    Blocks { weights: IntegerType, numbers: Tensor, scales: Tensor, zero_points: Tensor },
}

impl NarrowTensors {
    /// The same numbers where the engine computes.
    pub(super) fn of(matrix: &NarrowMatrix, engine: &Engine) -> Result<Self, ComputeError> {
        let ((rows, width), device, products) = (matrix.shape(), engine.device(), engine.narrow_products());
        let stored = match matrix.parts() {
            NarrowParts::Bf16(bits) if products == DType::BF16 => {
                let numbers: Vec<bf16> = bits.iter().map(|&bits| bf16::from_bits(bits)).collect();
                Stored::Numbers(Tensor::from_vec(numbers, (rows, width), device)?)
            }
            NarrowParts::Bf16(bits) => {
                let numbers = bits.iter().map(|&bits| bf16::from_bits(bits).to_f32()).collect();
                Stored::Numbers(engine.tensor(numbers, &[rows, width])?)
            }
            NarrowParts::Blocks { form, numbers, scales } => {
                let blocks = scales.len() / rows.max(1);
                let bytes = form.block_size * form.weights.bits() / 8;
                let of_blocks = (rows, blocks, 1);
                Stored::Blocks {
                    weights: form.weights,
                    numbers: Tensor::from_slice(numbers, (rows, blocks, bytes), device)?,
                    scales: Tensor::from_slice(scales, of_blocks, device)?,
                    zero_points: Tensor::from_vec(matrix.zero_points(), of_blocks, device)?,
                }
            }
        };
        Ok(Self { rows, width, stored, products })
    }

    /// Rows and numbers of a row.
    pub(super) fn shape(&self) -> (usize, usize) {
        (self.rows, self.width)
    }

    /// Where it is.
    pub(super) fn device(&self) -> &Device {
        match &self.stored {
            Stored::Numbers(numbers) | Stored::Blocks { numbers, .. } => numbers.device(),
        }
    }

    /// Bytes that it takes where it is.
    pub(super) fn bytes(&self) -> usize {
        let of = |tensor: &Tensor| tensor.elem_count() * tensor.dtype().size_in_bytes();
        match &self.stored {
            Stored::Numbers(numbers) => of(numbers),
            Stored::Blocks { numbers, scales, zero_points, .. } => of(numbers) + of(scales) + of(zero_points),
        }
    }

    /// All of it in f32.
    pub(super) fn decoded(&self) -> Result<Tensor, ComputeError> {
        let Stored::Blocks { weights, numbers, scales, zero_points } = &self.stored else {
            return self.in_numbers(DType::F32);
        };
        let bytes = numbers.to_dtype(DType::F32)?;
        let whole = match weights {
            IntegerType::Int8 => bytes,
            IntegerType::Int4 => halves(&bytes)?,
        };
        let values = whole.broadcast_sub(&zero_points.to_dtype(DType::F32)?)?.broadcast_mul(scales)?;
        // The last block of a row may be longer than what is left of it.
        Ok(values.reshape((self.rows, ()))?.narrow(1, 0, self.width)?.contiguous()?)
    }

    /// All of it in the numbers of products.
    pub(super) fn for_products(&self) -> Result<Tensor, ComputeError> {
        self.in_numbers(self.products)
    }

    fn in_numbers(&self, numbers: DType) -> Result<Tensor, ComputeError> {
        match &self.stored {
            Stored::Numbers(stored) => Ok(stored.to_dtype(numbers)?),
            Stored::Blocks { .. } => Ok(self.decoded()?.to_dtype(numbers)?),
        }
    }

    /// Some rows in f32, in this order.
    pub(super) fn rows(&self, ids: &Tensor) -> Result<Tensor, ComputeError> {
        match &self.stored {
            Stored::Numbers(stored) => Ok(stored.index_select(ids, 0)?.to_dtype(DType::F32)?),
            Stored::Blocks { .. } => Ok(self.decoded()?.index_select(ids, 0)?),
        }
    }
}

/// Both numbers of each byte, the lower half first: [rows, blocks, bytes] becomes [rows, blocks, 2 x bytes]. There are
/// no operations on bits, and these quotients are exact.
fn halves(bytes: &Tensor) -> Result<Tensor, ComputeError> {
    let (rows, blocks, count) = bytes.dims3()?;
    let high = (bytes / 16.0)?.floor()?;
    let low = (bytes - (&high * 16.0)?)?;
    Ok(Tensor::stack(&[low, high], 3)?.reshape((rows, blocks, 2 * count))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::BaseNumbers;
    use crate::compute::kernels::narrow::{decoded, decoded_rows};
    use crate::compute::numbers::copied;

    #[test]
    fn what_is_decoded_there_has_the_bits_of_what_is_decoded_here() {
        let values: Vec<f32> = (0..7 * 77).map(|n| ((n * 7919 + 5) % 1013) as f32 / 506.0 - 1.0).collect();
        for base in [BaseNumbers::Bf16, BaseNumbers::Int8, BaseNumbers::Int4] {
            let matrix = NarrowMatrix::of_values(&values, 77, base.of_maps().unwrap()).unwrap();
            let tensors = NarrowTensors::of(&matrix, &Engine::double_of_gpu()).unwrap();
            assert_eq!(copied(&tensors.decoded().unwrap()).unwrap(), decoded(&matrix), "{base:?}");
            assert_eq!(tensors.for_products().unwrap().dtype(), DType::BF16);
            let ids = Tensor::new(&[6u32, 0, 6], &Device::Cpu).unwrap();
            assert_eq!(copied(&tensors.rows(&ids).unwrap()).unwrap(), decoded_rows(&matrix, &[6, 0, 6]));
            // Zero points of 4 bits have a byte each.
            assert!(tensors.bytes() >= matrix.bytes() && tensors.bytes() < matrix.bytes() * 21 / 20);
        }
    }
}

use std::fmt;

use candle_core::{DType, Device, Tensor};

use super::ComputeError;

/// Where a model is computed, and by which steps.
///
/// Every step of the tape is there twice: as loops of our own, which are the reference and what the processor runs, and
/// as operations on tensors, which run wherever the tensors lie. Both have the same way back, and neither is that of
/// candle.
#[derive(Clone, Debug)]
pub struct Engine {
    device: Device,
    steps: Steps,
    /// Whether the device multiplies numbers of bf16.
    has_bf16: bool,
}

/// By which of the two sets a step is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Steps {
    /// Loops over slices in the memory of the processor.
    #[default]
    Loops,
    /// Operations on tensors.
    Tensors,
}

impl Default for Engine {
    fn default() -> Self {
        Self::PROCESSOR
    }
}

impl fmt::Display for Engine {
    /// As `--device` would name it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.device.location() {
            candle_core::DeviceLocation::Cuda { gpu_id } => write!(formatter, "cuda:{gpu_id}"),
            _ => formatter.write_str("cpu"),
        }
    }
}

impl Engine {
    /// The loops of the processor.
    pub const PROCESSOR: Self = Self { device: Device::Cpu, steps: Steps::Loops, has_bf16: true };

    /// The steps of a GPU on the processor: slow, and the same code, by which it is tested where there is no GPU.
    #[must_use]
    pub fn double_of_gpu() -> Self {
        Self { steps: Steps::Tensors, ..Self::PROCESSOR }
    }

    /// The same of a GPU without bf16, which multiplies by a narrow base in f32.
    #[must_use]
    pub fn double_of_old_gpu() -> Self {
        Self { has_bf16: false, ..Self::double_of_gpu() }
    }

    /// A GPU, counted from 0.
    ///
    /// # Errors
    /// `ComputeError::NoGpu` where this program was built without CUDA, or the driver refuses.
    pub fn cuda(number: usize) -> Result<Self, ComputeError> {
        if !Self::knows_cuda() {
            return Err(ComputeError::BuiltWithoutCuda);
        }
        let refused = |source| ComputeError::NoGpu { number, reason: plain(&source) };
        let device = Device::new_cuda(number).map_err(refused)?;
        // A first sum, so that a device without kernels for it is refused now and not at the first step.
        Tensor::ones(1, DType::F32, &device).and_then(|one| one + 1.0).map_err(refused)?;
        let has_bf16 = multiplies_bf16(&device).is_ok();
        Ok(Self { device, steps: Steps::Tensors, has_bf16 })
    }

    /// Whether this program was built with CUDA.
    #[must_use]
    pub fn knows_cuda() -> bool {
        candle_core::utils::cuda_is_available()
    }

    /// Whether a model is computed on a GPU.
    #[must_use]
    pub fn is_gpu(&self) -> bool {
        self.device.is_cuda()
    }

    /// Bytes of memory that a GPU has left; `None` of the processor.
    #[must_use]
    pub fn free_memory(&self) -> Option<u64> {
        free_memory(&self.device)
    }

    /// The steps that it computes by.
    pub(super) fn steps(&self) -> Steps {
        self.steps
    }

    /// The numbers in which products with a narrow matrix are computed.
    pub(super) fn narrow_products(&self) -> DType {
        if self.has_bf16 { DType::BF16 } else { DType::F32 }
    }

    /// A tensor of these numbers where the model is.
    pub(super) fn tensor(&self, values: Vec<f32>, shape: &[usize]) -> Result<Tensor, ComputeError> {
        Ok(Tensor::from_vec(values, shape, &self.device)?)
    }

    /// The device itself.
    pub(super) fn device(&self) -> &Device {
        &self.device
    }
}

/// What an error says without the stack that candle may add.
fn plain(error: &candle_core::Error) -> String {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => plain(inner),
        error => error.to_string(),
    }
}

/// Old devices have no kernels for bf16: what refuses the smallest product refuses all.
fn multiplies_bf16(device: &Device) -> candle_core::Result<f32> {
    let one = Tensor::ones((1, 1), DType::F32, device)?.to_dtype(DType::BF16)?;
    one.matmul(&one)?.to_dtype(DType::F32)?.sum_all()?.to_scalar()
}

#[cfg(feature = "cuda-training")]
fn free_memory(device: &Device) -> Option<u64> {
    let stream = device.as_cuda_device().ok()?.cuda_stream();
    let (free, _) = stream.context().mem_get_info().ok()?;
    u64::try_from(free).ok()
}

#[cfg(not(feature = "cuda-training"))]
fn free_memory(_: &Device) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_refused_with_the_way_out_where_there_is_none() {
        let Err(error) = Engine::cuda(7) else { return };
        let said = if Engine::knows_cuda() { "`nvidia-smi`" } else { "`make build-cuda-training`" };
        assert!(error.to_string().contains(said) && !error.to_string().contains('\n'), "{error}");
        assert_eq!(Engine::double_of_gpu().to_string(), "cpu");
        assert_eq!(multiplies_bf16(&Device::Cpu).unwrap(), 1.0);
    }
}

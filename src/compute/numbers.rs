//! The way between tensors and slices of f32.

use std::cell::RefCell;
use std::ops::Deref;

use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Storage, StorageRef, Tensor};

use super::ComputeError;

/// The numbers of a contiguous tensor of f32 in the memory of the processor.
pub(super) struct Numbers<'a> {
    storage: StorageRef<'a>,
    from: usize,
    to: usize,
}

impl Deref for Numbers<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(values)) => &values[self.from..self.to],
            // `numbers` makes none of another kind.
            _ => &[],
        }
    }
}

/// Borrows the numbers of a tensor.
pub(super) fn numbers(tensor: &Tensor) -> Result<Numbers<'_>, ComputeError> {
    let (storage, layout) = tensor.storage_and_layout();
    let offsets = layout.contiguous_offsets();
    match (&*storage, offsets) {
        (Storage::Cpu(CpuStorage::F32(_)), Some((from, to))) => Ok(Numbers { storage, from, to }),
        _ => {
            Err(candle_core::Error::Msg("a tensor is not contiguous f32 on the processor".to_owned()).into())
        }
    }
}

/// A copy of the numbers of any tensor of f32, wherever it lies.
pub(super) fn copied(tensor: &Tensor) -> Result<Vec<f32>, ComputeError> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// A tensor of these numbers, without copying them.
pub(super) fn tensor(values: Vec<f32>, shape: &[usize]) -> Result<Tensor, ComputeError> {
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// Changes the numbers of a contiguous tensor in place; whoever shares them sees it.
pub(super) fn change(tensor: &Tensor, work: impl FnMut(&mut [f32])) -> Result<(), ComputeError> {
    Ok(tensor.inplace_op1(&Change(RefCell::new(work)))?)
}

struct Change<F>(RefCell<F>);

impl<F: FnMut(&mut [f32])> InplaceOp1 for Change<F> {
    fn name(&self) -> &'static str {
        "change"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        match (storage, layout.contiguous_offsets()) {
            (CpuStorage::F32(values), Some((from, to))) => {
                (self.0.borrow_mut())(&mut values[from..to]);
                Ok(())
            }
            _ => Err(candle_core::Error::Msg("only contiguous f32 is changed in place".to_owned())),
        }
    }
}

//! One session: made in the foundry, run on a thread of its own.

use std::path::Path;
use std::time::Instant;

use half::{bf16, f16};
use ort::environment::Environment;
use ort::session::builder::{AutoDevicePolicy, GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Outlet, Tensor, TensorElementType, ValueType};

use super::BatchError;
use super::batch::{IntegerTensor, Integers, PaddedBatch};
use super::error::says_memory_exhausted;
use super::output::{Floats, RawOutput};
use super::placement::RECORD_OPTION;
use super::provider::Target;
use super::signature::{Declared, Element, Signature};

/// Makes a session; the message of ONNX Runtime where it cannot be made.
pub(super) fn make(
    environment: &Environment,
    model: &Path,
    target: Target,
    threads: usize,
) -> Result<Session, String> {
    let text = |error: ort::Error<SessionBuilder>| error.to_string();
    let builder = Session::builder(environment).map_err(|error| error.to_string())?;
    let builder = builder
        // The crate asks for the most efficient device by default, which may be none of those asked for here.
        .with_auto_device(AutoDevicePolicy::PreferCPU)
        .map_err(text)?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(text)?
        .with_intra_threads(threads.max(1))
        .map_err(text)?
        .with_flush_to_zero()
        .map_err(text)?
        // Hardly two batches have the same shape, and every pattern that is kept keeps its memory.
        .with_memory_pattern(false)
        .map_err(text)?;
    // A library that does not know the option answers that the placement is unknown.
    let builder = builder.with_config_entry(RECORD_OPTION, "1").map_err(text)?;
    let mut builder = builder.with_execution_providers(target.dispatch()).map_err(text)?;
    builder.commit_from_file(model).map_err(|error| error.to_string())
}

/// What the session asks for and gives.
pub(super) fn signature_of(session: &Session, output: Option<&str>) -> Result<Signature, String> {
    let inputs: Vec<Declared> = session.inputs().iter().map(declared).collect();
    let outputs: Vec<Declared> = session.outputs().iter().map(declared).collect();
    Signature::of(&inputs, &outputs, output)
}

fn declared(outlet: &Outlet) -> Declared {
    let (element, shape) = match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => (element(*ty), shape.to_vec()),
        _ => (Element::Other, Vec::new()),
    };
    Declared { name: outlet.name().to_owned(), element, shape }
}

fn element(kind: TensorElementType) -> Element {
    match kind {
        TensorElementType::Int32 => Element::I32,
        TensorElementType::Int64 => Element::I64,
        TensorElementType::Float16 => Element::F16,
        TensorElementType::Bfloat16 => Element::Bf16,
        TensorElementType::Float32 => Element::F32,
        _ => Element::Other,
    }
}

/// Runs a batch and copies the output out of the session, in the precision of the model.
pub(super) fn run(
    session: &mut Session,
    signature: &Signature,
    batch: PaddedBatch,
) -> Result<RawOutput, BatchError> {
    let (rows, sequence) = (batch.lengths.len(), batch.sequence);
    run_tensors(session, signature, batch).map_err(|message| {
        if says_memory_exhausted(&message) {
            BatchError::Memory { rows, sequence, message }
        } else {
            BatchError::Failed { rows, sequence, message }
        }
    })
}

fn run_tensors(
    session: &mut Session,
    signature: &Signature,
    batch: PaddedBatch,
) -> Result<RawOutput, String> {
    let started = Instant::now();
    let inputs = batch.tensors.into_iter().map(input).collect::<Result<Vec<_>, _>>()?;
    let mut outputs = session.run(inputs).map_err(|error| error.to_string())?;
    let value =
        outputs.remove(&signature.output).ok_or_else(|| format!("no output `{}`", signature.output))?;
    let (shape, values) = copied(&value, signature.element).map_err(|error| error.to_string())?;
    Ok(RawOutput { shape, values, lengths: batch.lengths, seconds: started.elapsed().as_secs_f64() })
}

fn input(tensor: IntegerTensor) -> Result<(String, SessionInputValue<'static>), String> {
    let IntegerTensor { name, shape, values } = tensor;
    let value = match values {
        Integers::I32(values) => Tensor::from_array((shape, values)).map(Tensor::into_dyn),
        Integers::I64(values) => Tensor::from_array((shape, values)).map(Tensor::into_dyn),
    };
    value.map(|value| (name, value.into())).map_err(|error| error.to_string())
}

fn copied(value: &DynValue, element: Element) -> ort::Result<(Vec<usize>, Floats)> {
    let (shape, values) = match element {
        Element::F16 => {
            let (shape, values) = value.try_extract_tensor::<f16>()?;
            (shape, Floats::F16(values.to_vec()))
        }
        Element::Bf16 => {
            let (shape, values) = value.try_extract_tensor::<bf16>()?;
            (shape, Floats::Bf16(values.to_vec()))
        }
        _ => {
            let (shape, values) = value.try_extract_tensor::<f32>()?;
            (shape, Floats::F32(values.to_vec()))
        }
    };
    Ok((shape.iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect(), values))
}

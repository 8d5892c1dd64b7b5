//! Execution providers: what a session is registered with, and what a failure of one means to a person.

use ort::ep::{ArenaExtendStrategy, CPU, CUDA, ExecutionProvider, ExecutionProviderDispatch, TensorRT};

use super::library::{Build, LibraryInfo};

/// One copy of a model, on one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Cpu,
    Cuda(u32),
    TensorRt(u32),
}

impl Target {
    /// The provider whose nodes prove that the device is used.
    pub(super) fn providers(self) -> &'static [&'static str] {
        match self {
            Self::Cpu => &[CPU::NAME],
            Self::Cuda(_) => &[CUDA::NAME],
            Self::TensorRt(_) => &[TensorRT::NAME, CUDA::NAME],
        }
    }

    /// As `--device` would name it.
    pub(super) fn name(self) -> String {
        match self {
            Self::Cpu => "cpu".to_owned(),
            Self::Cuda(number) => format!("cuda:{number}"),
            Self::TensorRt(number) => format!("tensorrt:{number}"),
        }
    }

    /// What to register, in order of preference; the processor is always there behind them.
    pub(super) fn dispatch(self) -> Vec<ExecutionProviderDispatch> {
        match self {
            Self::Cpu => Vec::new(),
            Self::Cuda(number) => vec![cuda(number)],
            Self::TensorRt(number) => {
                let engine = TensorRT::default().with_device_id(device_id(number));
                vec![engine.build().error_on_failure(), cuda(number)]
            }
        }
    }
}

fn device_id(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn cuda(number: u32) -> ExecutionProviderDispatch {
    CUDA::default()
        .with_device_id(device_id(number))
        // TF32 keeps 10 bits of the 23; single precision means single precision here.
        .with_tf32(false)
        // Batches come longest first, so that growing in powers of two only wastes memory.
        .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
        .build()
        .error_on_failure()
}

/// Why a device cannot be used, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) way_out: String,
}

/// What is known before a session is tried: whether the library was built with the provider at all.
pub(super) fn refused_by_library(target: Target, library: &LibraryInfo) -> Option<Refusal> {
    let needed = *target.providers().first()?;
    if library.providers.iter().any(|name| name == needed) {
        return None;
    }
    Some(Refusal {
        reason: format!("the library `{}` was built without {needed}", library.path.display()),
        way_out: format!("`{}` fetches one that has it", Build::Gpu.setup_command()),
    })
}

/// The reading of a message with which a provider refused; `None` where the message is about the model.
pub(super) fn explain(target: Target, message: &str) -> Option<Refusal> {
    if target == Target::Cpu {
        return None;
    }
    let lower = message.to_lowercase();
    let says = |signs: &[&str]| signs.iter().any(|sign| lower.contains(sign));
    let way_out = if says(&[
        "no cuda-capable device",
        "cuda failure 100",
        "invalid device ordinal",
        "cuda failure 101",
    ]) {
        "`nvidia-smi` lists the devices that the driver sees, and `CUDA_VISIBLE_DEVICES` may hide some"
    } else if says(&["driver version is insufficient", "cuda failure 35", "libcuda.so"]) {
        "the NVIDIA driver is missing or too old for this build of ONNX Runtime (580 or newer for CUDA 13)"
    } else if says(&["libnvinfer", "libnvonnxparser"]) {
        "install TensorRT 10 and put its libraries on `LD_LIBRARY_PATH`"
    } else if says(&["cannot open shared object", "failed to load library", "loadlibrary failed"]) {
        "install the CUDA 13 runtime and cuDNN 9 and put their libraries on `LD_LIBRARY_PATH`"
    } else if says(&["cuda", "cudnn", "cublas", "tensorrt"]) {
        "`tiebreak doctor` says what is here"
    } else {
        return None;
    };
    Some(Refusal { reason: first_line(message), way_out: way_out.to_owned() })
}

/// ONNX Runtime puts the source file and a stack in front of and behind what it has to say.
fn first_line(message: &str) -> String {
    let line = message.lines().find(|line| !line.trim().is_empty()).unwrap_or(message);
    let start = line.find("Failed to load").or_else(|| line.find("CUDA failure")).unwrap_or(0);
    let said = &line[start..];
    // Behind it come the host, the source file and the expression.
    let end = said.find(" ; GPU=").unwrap_or(said.len());
    said[..end].trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_refusal_has_its_own_way_out() {
        let cases = [
            ("CUDA failure 100: no CUDA-capable device is detected ; GPU=-1", "nvidia-smi"),
            ("CUDA failure 101: invalid device ordinal ; GPU=7", "nvidia-smi"),
            ("CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version", "driver"),
            (
                "/onnxruntime_src/core/session/provider_bridge_ort.cc:2251 Failed to load library \
                 libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file",
                "LD_LIBRARY_PATH",
            ),
            (
                "Failed to load library libonnxruntime_providers_tensorrt.so with error: libnvinfer.so.10: \
                 cannot open shared object file",
                "TensorRT 10",
            ),
        ];
        for (message, part) in cases {
            let refusal = explain(Target::Cuda(0), message).unwrap();
            assert!(refusal.way_out.contains(part), "{message}: {}", refusal.way_out);
            assert!(!refusal.reason.contains("onnxruntime_src"), "{}", refusal.reason);
            assert!(!refusal.reason.contains("GPU="), "{}", refusal.reason);
        }
        assert_eq!(explain(Target::Cuda(0), "Protobuf parsing failed."), None);
        assert_eq!(explain(Target::Cpu, "CUDA failure 100"), None);
    }

    #[test]
    fn a_library_without_the_provider_is_named_with_the_command_that_fetches_one() {
        let library = LibraryInfo {
            path: "lib/libonnxruntime.so".into(),
            build: String::new(),
            providers: vec![CPU::NAME.to_owned()],
        };
        assert_eq!(refused_by_library(Target::Cpu, &library), None);
        let refusal = refused_by_library(Target::Cuda(0), &library).unwrap();
        assert!(
            refusal.reason.contains("`lib/libonnxruntime.so`") && refusal.way_out.contains("setup --gpu")
        );
    }
}

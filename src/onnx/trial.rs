//! Whether a session opens on each device: the only way to know, because a provider that is compiled in may find
//! neither driver nor device.

use std::io::Write as _;

use ort::ep::{CPU, CUDA, ExecutionProvider, TensorRT};
use serde::{Deserialize, Serialize};

use super::device::Device;
use super::graph::trial_graph;
use super::making::make_for;
use super::placement;
use super::{LibraryInfo, PoolOptions, SessionError, environment};

/// One device and what came of a session on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceTrial {
    /// As `--device` names it.
    pub device: String,
    /// The execution provider.
    pub provider: String,
    /// Whether the library was built with it.
    pub compiled_in: bool,
    /// Whether a session opened and ran there.
    pub opens: bool,
    /// Where its nodes were put, or why it did not open and what mends it.
    pub detail: String,
}

/// Opens a session of a small model on the processor and on every NVIDIA device, through each provider.
///
/// # Errors
/// `SessionError` when the library cannot be loaded, or the small model cannot be written.
pub fn try_devices(library: &LibraryInfo, gpus: usize) -> Result<Vec<DeviceTrial>, SessionError> {
    let environment = environment::load(&library.path)?;
    let failed = |error: std::io::Error| SessionError::Thread {
        message: format!("the model of the trial cannot be written: {error}"),
    };
    let mut model = tempfile::Builder::new().suffix(".onnx").tempfile().map_err(failed)?;
    model.write_all(&trial_graph()).map_err(failed)?;
    let mut devices = vec![("cpu".to_owned(), CPU::NAME)];
    for (word, provider) in [("cuda", CUDA::NAME), ("tensorrt", TensorRT::NAME)] {
        devices.extend((0..gpus.max(1)).map(|number| (format!("{word}:{number}"), provider)));
    }
    let mut trials = Vec::with_capacity(devices.len());
    for (name, provider) in devices {
        // The names are those that `Device` prints.
        let device: Device = name.parse().unwrap_or(Device::CPU);
        let made = make_for(&environment, library, model.path(), &PoolOptions::for_threads(device, 1));
        let (opens, detail) = match &made {
            Ok((sessions, ..)) => {
                (true, sessions.first().map(|session| placement::of_session(session).summary()))
            }
            Err(SessionError::Device { reason, way_out, .. }) => {
                (false, Some(format!("{reason}; {way_out}")))
            }
            Err(error) => (false, Some(error.to_string())),
        };
        trials.push(DeviceTrial {
            device: name,
            compiled_in: library.providers.iter().any(|offered| offered == provider),
            provider: provider.to_owned(),
            opens,
            detail: detail.unwrap_or_default(),
        });
    }
    Ok(trials)
}

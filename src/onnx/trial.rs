//! Whether a session opens on each device: the only way to know, because a provider that is compiled in may find
//! neither driver nor device.

use std::io::Write as _;
use std::path::Path;

use ort::environment::Environment;
use ort::ep::{CPU, CUDA, ExecutionProvider, TensorRT};
use ort::session::Session;
use ort::value::Tensor;
use serde::{Deserialize, Serialize};

use super::device::{Device, UnknownDevice};
use super::graph::trial_graph;
use super::making::make_for;
use super::placement::{self, Placement};
use super::{LibraryInfo, PoolOptions, SessionError, environment};

/// What the small model makes of tokens 1 and 2: rows 1 and 2 of its table, times the table.
const TRIAL_RESULT: [f32; 8] = [152.0, 174.0, 196.0, 218.0, 248.0, 286.0, 324.0, 362.0];

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
        let tried = try_device((&environment, library), &name, (model.path(), provider));
        let (opens, detail) = match tried {
            Ok(placement) => (true, placement),
            Err(reason) => (false, reason),
        };
        trials.push(DeviceTrial {
            device: name,
            compiled_in: library.providers.iter().any(|offered| offered == provider),
            provider: provider.to_owned(),
            opens,
            detail,
        });
    }
    Ok(trials)
}

/// Opens a session on one device and runs it; where its nodes are, or why it is of no use.
fn try_device(
    (environment, library): (&Environment, &LibraryInfo),
    name: &str,
    (model, provider): (&Path, &str),
) -> Result<String, String> {
    // Another device must not stand in for one whose name is not understood.
    let device: Device = name.parse().map_err(|error: UnknownDevice| error.to_string())?;
    let made = make_for(environment, library, model, &PoolOptions::for_threads(device, 1));
    let (sessions, ..) = made.map_err(|error| match error {
        SessionError::Device { reason, way_out, .. } => format!("{reason}; {way_out}"),
        error => error.to_string(),
    })?;
    let Some(mut session) = sessions.into_iter().next() else { return Err("no session was made".to_owned()) };
    let placement = placement::of_session(&session);
    check_placement(&placement, provider)?;
    run_once(&mut session)?;
    Ok(placement.summary())
}

/// A session that opens says nothing of where it computes: only nodes that are known to be there count.
fn check_placement(placement: &Placement, provider: &str) -> Result<(), String> {
    match placement.nodes_on(provider) {
        Some(nodes) if nodes > 0 => Ok(()),
        _ if provider == CPU::NAME => Ok(()),
        Some(_) => Err(format!("it opens, and computes elsewhere: {}", placement.summary())),
        None => Err(format!("it opens, and whether it computes there is {}", placement.summary())),
    }
}

/// One text of two tokens; its numbers are the table's rows times the table.
fn run_once(session: &mut Session) -> Result<(), String> {
    let text = |error: ort::Error| error.to_string();
    let ids = Tensor::from_array((vec![1_usize, 2], vec![1_i64, 2])).map_err(text)?;
    let outputs = session.run(ort::inputs![ids]).map_err(text)?;
    let (_, values) = outputs[0].try_extract_tensor::<f32>().map_err(text)?;
    if values == TRIAL_RESULT { Ok(()) } else { Err(format!("it computes {values:?}")) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_device_opens_only_where_nodes_are_known_to_run_on_it() {
        let on = |provider: &str| {
            let operators = BTreeMap::from([("MatMul".to_owned(), 1)]);
            Placement::Known { nodes: BTreeMap::from([(provider.to_owned(), operators)]) }
        };
        assert!(check_placement(&on(CUDA::NAME), CUDA::NAME).is_ok());
        let elsewhere = check_placement(&on(CPU::NAME), CUDA::NAME).unwrap_err();
        assert!(elsewhere.contains("elsewhere: CPUExecutionProvider 1"), "{elsewhere}");
        let unknown = Placement::Unknown { reason: "an old library".to_owned() };
        assert!(check_placement(&unknown, CUDA::NAME).unwrap_err().contains("an old library"));
        assert!(check_placement(&unknown, CPU::NAME).is_ok());
    }
}

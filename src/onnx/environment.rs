//! The one environment of the process, and its log.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use super::LibraryError;

/// The loaded library and its environment; neither is ever released, because ONNX Runtime allows one
/// environment a process and its destructors race with those of CUDA at the end of it.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// Loads the library, explicitly because the implicit path of the crate panics, and gives its environment.
///
/// # Errors
/// `LibraryError::Unloadable` when it is no ONNX Runtime, or too old, or another one is loaded already.
pub(super) fn load(path: &Path) -> Result<Environment, LibraryError> {
    let unloadable = |message: String| LibraryError::Unloadable { message };
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((earlier, environment)) = loaded.as_ref() {
        if earlier == path {
            return Ok(environment.clone());
        }
        let message = format!("`{}` is in use already, and a process can load one only", earlier.display());
        return Err(unloadable(message));
    }
    let builder = ort::init_from(path).map_err(|error| unloadable(too_old(&error)))?;
    let environment = builder
        .with_name("tiebreak")
        .with_telemetry(false)
        .with_logger(Arc::new(log))
        .build()
        .map_err(|error| unloadable(error.to_string()))?;
    environment.set_log_level(LogLevel::Warning);
    *loaded = Some((path.to_owned(), environment.clone()));
    Ok(environment)
}

/// The crate names its own version in this case, which nobody who reads the message knows.
fn too_old(error: &ort::LoadDynamicError) -> String {
    match error {
        ort::LoadDynamicError::BadVersion { version_str, path } => format!(
            "`{}` is version {version_str}, and at least 1.{} is needed",
            path.display(),
            ort::MINOR_VERSION
        ),
        other => other.to_string(),
    }
}

fn log(level: LogLevel, _category: &str, _id: &str, place: &str, message: &str) {
    match level {
        LogLevel::Fatal | LogLevel::Error => tracing::error!(target: "onnxruntime", place, "{message}"),
        LogLevel::Warning => tracing::warn!(target: "onnxruntime", place, "{message}"),
        LogLevel::Info | LogLevel::Verbose => tracing::debug!(target: "onnxruntime", place, "{message}"),
    }
}

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ort::ep::{CPU, CUDA, ExecutionProvider, TensorRT};
use serde::{Deserialize, Serialize};

/// The version of ONNX Runtime that tiebreak is built and tested with.
pub const PINNED_VERSION: &str = "1.31.1";

/// ONNX Runtime is not there or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// No library was found.
    #[error(
        "no ONNX Runtime library in {}; `tiebreak setup` fetches version {PINNED_VERSION}",
        searched(searched_in)
    )]
    Missing {
        /// Where it was looked for.
        searched_in: Vec<PathBuf>,
    },
    /// The library is there and cannot be loaded.
    #[error("cannot load ONNX Runtime: {message}; `tiebreak setup` fetches version {PINNED_VERSION}")]
    Unloadable {
        /// What the loader said.
        message: String,
    },
    /// The library could not be fetched.
    #[error("cannot fetch onnxruntime {PINNED_VERSION}: {message}")]
    Fetch {
        /// What went wrong, with the last line of pip.
        message: String,
    },
    /// A folder or file could not be written.
    #[error("`{}`: {source}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

fn searched(places: &[PathBuf]) -> String {
    places.iter().map(|place| format!("`{}`", place.display())).collect::<Vec<_>>().join(", ")
}

/// What a loaded library says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryInfo {
    /// The file.
    pub path: PathBuf,
    /// How it was built: version, commit, flags.
    pub build: String,
    /// Execution providers that are compiled in; whether a device answers is seen only by a session.
    pub providers: Vec<String>,
}

/// Where fetched libraries lie: `TIEBREAK_RUNTIME`, else `.runtime` of the project that the program was
/// built in, else the data folder of the user.
#[must_use]
pub fn runtime_root() -> PathBuf {
    if let Some(root) = env::var_os("TIEBREAK_RUNTIME") {
        return root.into();
    }
    let executable = env::current_exe().ok();
    let target =
        executable.as_deref().and_then(|path| path.ancestors().find(|folder| folder.ends_with("target")));
    if let Some(project) = target.and_then(Path::parent) {
        return project.join(".runtime");
    }
    let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    data.or(home).unwrap_or_else(|| PathBuf::from(".runtime")).join("tiebreak")
}

fn library_name() -> String {
    match env::consts::OS {
        "macos" => format!("libonnxruntime.{PINNED_VERSION}.dylib"),
        "windows" => "onnxruntime.dll".to_owned(),
        _ => format!("libonnxruntime.so.{PINNED_VERSION}"),
    }
}

fn installed_folder() -> PathBuf {
    runtime_root().join(format!("onnxruntime-{PINNED_VERSION}"))
}

/// The library to load: `ORT_DYLIB_PATH` if set, else the one that `install_library` fetched.
///
/// # Errors
/// `LibraryError::Missing` when there is none.
pub fn find_library() -> Result<PathBuf, LibraryError> {
    let chosen = match env::var_os("ORT_DYLIB_PATH") {
        Some(path) => PathBuf::from(path),
        None => installed_folder().join(library_name()),
    };
    if chosen.is_file() { Ok(chosen) } else { Err(LibraryError::Missing { searched_in: vec![chosen] }) }
}

/// Fetches the pinned library as a Python wheel with `python -m pip`, unless it is there already.
///
/// # Errors
/// `LibraryError` when pip fails, the wheel holds no library, or the folder cannot be written.
pub fn install_library(python: &str) -> Result<PathBuf, LibraryError> {
    let folder = installed_folder();
    let library = folder.join(library_name());
    if library.is_file() {
        return Ok(library);
    }
    let root = runtime_root();
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| LibraryError::Folder { path, source }
    };
    fs::create_dir_all(&root).map_err(failed(&root))?;
    let download = tempfile::tempdir_in(&root).map_err(failed(&root))?;
    let output = Command::new(python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"])
        .arg(download.path())
        .arg(format!("onnxruntime=={PINNED_VERSION}"))
        .output()
        .map_err(|error| LibraryError::Fetch { message: format!("`{python}` cannot be started: {error}") })?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("pip failed").to_owned();
        return Err(LibraryError::Fetch { message: last });
    }
    let fetched = download.path().join("onnxruntime").join("capi").join(library_name());
    if !fetched.is_file() {
        let message = format!("the wheel for this platform holds no `{}`", library_name());
        return Err(LibraryError::Fetch { message });
    }
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    fs::rename(&fetched, &library).map_err(failed(&library))?;
    Ok(library)
}

/// Loads a library and asks what it is. A process can load one library only.
///
/// # Errors
/// `LibraryError::Unloadable` when it is no ONNX Runtime, or too old.
pub fn describe(path: &Path) -> Result<LibraryInfo, LibraryError> {
    let unloadable = |message: String| LibraryError::Unloadable { message };
    // Loading explicitly first, because the implicit path of the crate panics.
    ort::init_from(path).map_err(|error| unloadable(error.to_string()))?;
    let offered = [
        (CPU::NAME, CPU::is_available()),
        (CUDA::NAME, CUDA::is_available()),
        (TensorRT::NAME, TensorRT::is_available()),
    ];
    let mut providers = Vec::new();
    for (name, available) in offered {
        if available.map_err(|error| unloadable(error.to_string()))? {
            providers.push(name.to_owned());
        }
    }
    Ok(LibraryInfo { path: path.to_owned(), build: ort::info().to_owned(), providers })
}

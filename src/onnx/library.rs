use std::env;
use std::path::{Path, PathBuf};

use ort::ep::{CPU, CUDA, ExecutionProvider, TensorRT};
use serde::{Deserialize, Serialize};

use super::device::DeviceKind;
use super::environment;
use super::install::check_installed;

/// The version of ONNX Runtime that tiebreak is built and tested with.
pub const PINNED_VERSION: &str = "1.31.1";

/// Which build of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// The one for processors, 24 MB to fetch.
    Cpu,
    /// The one with CUDA and `TensorRT`, 256 MB to fetch; it needs CUDA 13 and `cuDNN` 9 to run on a device.
    Gpu,
}

impl Build {
    /// The wheel that holds it, with its version.
    #[must_use]
    pub fn wheel(self) -> String {
        let name = match self {
            Self::Cpu => "onnxruntime",
            Self::Gpu => "onnxruntime-gpu",
        };
        format!("{name}=={PINNED_VERSION}")
    }

    /// The command that fetches it.
    #[must_use]
    pub fn setup_command(self) -> &'static str {
        match self {
            Self::Cpu => "tiebreak setup",
            Self::Gpu => "tiebreak setup --gpu",
        }
    }

    /// Files without which the build cannot be used.
    pub(super) fn needed_files(self) -> Vec<String> {
        let mut names = vec![library_name()];
        if self == Self::Gpu {
            let (prefix, suffix) = (env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
            names.extend(
                ["shared", "cuda"].map(|part| format!("{prefix}onnxruntime_providers_{part}{suffix}")),
            );
        }
        names
    }
}

/// ONNX Runtime is not there or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// No library was found.
    #[error(
        "no ONNX Runtime library in {}; `{}` fetches version {PINNED_VERSION}",
        searched(searched_in), build.setup_command()
    )]
    Missing {
        /// Where it was looked for.
        searched_in: Vec<PathBuf>,
        /// The build that was wanted.
        build: Build,
    },
    /// The library is there and cannot be loaded, or is too old.
    #[error(
        "cannot load ONNX Runtime: {message}; `tiebreak setup` fetches version {PINNED_VERSION}, and \
         `ORT_DYLIB_PATH` must not point elsewhere"
    )]
    Unloadable {
        /// What the loader said.
        message: String,
    },
    /// A fetched file is not what was fetched.
    #[error("`{}` is damaged: {message}; remove its folder and run `tiebreak setup`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The library could not be fetched.
    #[error("cannot fetch {}: {message}", build.wheel())]
    Fetch {
        /// The build that was wanted.
        build: Build,
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

pub(super) fn library_name() -> String {
    match env::consts::OS {
        "macos" => format!("libonnxruntime.{PINNED_VERSION}.dylib"),
        "windows" => "onnxruntime.dll".to_owned(),
        _ => format!("libonnxruntime.so.{PINNED_VERSION}"),
    }
}

pub(super) fn installed_folder(build: Build) -> PathBuf {
    let suffix = if build == Build::Gpu { "-gpu" } else { "" };
    runtime_root().join(format!("onnxruntime{suffix}-{PINNED_VERSION}"))
}

/// The library to load: `ORT_DYLIB_PATH` if set, else one that was fetched, the build for processors first.
///
/// # Errors
/// `LibraryError::Missing` when there is none.
pub fn find_library() -> Result<PathBuf, LibraryError> {
    find_library_for(DeviceKind::Cpu)
}

/// The library to load for a device: `ORT_DYLIB_PATH` if set, else a fetched one, the GPU build first
/// unless the processor was asked for. Either build runs on the processor.
///
/// # Errors
/// `LibraryError::Missing` when there is none, `Damaged` when it is not whole.
pub fn find_library_for(kind: DeviceKind) -> Result<PathBuf, LibraryError> {
    let wanted = match kind {
        DeviceKind::Cpu | DeviceKind::Auto => Build::Cpu,
        DeviceKind::Cuda | DeviceKind::TensorRt => Build::Gpu,
    };
    if let Some(path) = env::var_os("ORT_DYLIB_PATH").map(PathBuf::from) {
        return if path.is_file() {
            Ok(path)
        } else {
            Err(LibraryError::Missing { searched_in: vec![path], build: wanted })
        };
    }
    let builds = if kind == DeviceKind::Cpu { [Build::Cpu, Build::Gpu] } else { [Build::Gpu, Build::Cpu] };
    let places = builds.map(|build| installed_folder(build).join(library_name()));
    match places.iter().find(|place| place.is_file()) {
        Some(place) => {
            check_installed(place.parent().unwrap_or(Path::new(".")))?;
            Ok(place.clone())
        }
        None => Err(LibraryError::Missing { searched_in: places.to_vec(), build: wanted }),
    }
}

/// Loads a library and asks what it is. A process can load one library only.
///
/// # Errors
/// `LibraryError::Unloadable` when it is no ONNX Runtime, or too old, or another one is loaded already.
pub fn describe(path: &Path) -> Result<LibraryInfo, LibraryError> {
    environment::load(path)?;
    let unloadable = |message: String| LibraryError::Unloadable { message };
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

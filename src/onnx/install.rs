use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::library::{Build, LibraryError, PINNED_VERSION, installed_folder, library_name, runtime_root};
use crate::files;

/// The list of what was fetched, which lies beside it.
const STAMP: &str = "installed.json";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stamp {
    format_version: u32,
    wheel: String,
    files: Vec<StampedFile>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StampedFile {
    name: String,
    size_bytes: u64,
    blake3: String,
}

/// Fetches the pinned library as a Python wheel with `python -m pip`, unless it is there already.
///
/// # Errors
/// `LibraryError` when pip fails, the wheel holds no library, or the folder cannot be written.
pub fn install_library(python: &str) -> Result<PathBuf, LibraryError> {
    install_build(python, Build::Cpu)
}

/// Fetches one build of the pinned library into its own folder, unless it is there and whole. The folder
/// appears only when everything is in it.
///
/// # Errors
/// As `install_library`.
pub fn install_build(python: &str, build: Build) -> Result<PathBuf, LibraryError> {
    let folder = installed_folder(build);
    let library = folder.join(library_name());
    if library.is_file() && check_installed(&folder).is_ok() {
        return Ok(library);
    }
    let root = runtime_root();
    fs::create_dir_all(&root).map_err(failed(&root))?;
    let download = tempfile::tempdir_in(&root).map_err(failed(&root))?;
    fetch_wheel(python, build, download.path())?;
    let staged = download.path().join("staged");
    fs::create_dir(&staged).map_err(failed(&staged))?;
    let stamp = stage(&download.path().join("onnxruntime").join("capi"), &staged, build)?;
    let text = serde_json::to_vec_pretty(&stamp)
        .map_err(|error| LibraryError::Fetch { build, message: error.to_string() })?;
    files::write(&staged.join(STAMP), &text)
        .map_err(|error| LibraryError::Folder { path: error.path, source: error.source })?;
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed(&folder))?;
    }
    fs::rename(&staged, &folder).map_err(failed(&folder))?;
    Ok(library)
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> LibraryError {
    let path = path.to_owned();
    move |source| LibraryError::Folder { path, source }
}

fn fetch_wheel(python: &str, build: Build, target: &Path) -> Result<(), LibraryError> {
    let output = Command::new(python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"])
        .arg(target)
        .arg(build.wheel())
        .output()
        .map_err(|error| LibraryError::Fetch {
            build,
            message: format!("`{python}` cannot be started: {error}"),
        })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("pip failed").to_owned();
    Err(LibraryError::Fetch { build, message: last })
}

/// Moves the library and its providers, which it looks for beside itself, and notes what they are.
fn stage(fetched: &Path, staged: &Path, build: Build) -> Result<Stamp, LibraryError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(fetched).map_err(failed(fetched))? {
        let name = entry.map_err(failed(fetched))?.file_name().to_string_lossy().into_owned();
        if name == library_name() || name.contains("onnxruntime_providers_") {
            names.push(name);
        }
    }
    names.sort();
    for needed in build.needed_files() {
        if !names.contains(&needed) {
            let message = format!("the wheel for this platform holds no `{needed}`");
            return Err(LibraryError::Fetch { build, message });
        }
    }
    let mut stamped = Vec::with_capacity(names.len());
    for name in names {
        let path = staged.join(&name);
        fs::rename(fetched.join(&name), &path).map_err(failed(&path))?;
        let mut hasher = blake3::Hasher::new();
        let file = fs::File::open(&path).map_err(failed(&path))?;
        let size_bytes = std::io::copy(&mut &file, &mut hasher).map_err(failed(&path))?;
        stamped.push(StampedFile { name, size_bytes, blake3: hasher.finalize().to_hex().to_string() });
    }
    Ok(Stamp { format_version: 1, wheel: build.wheel(), files: stamped })
}

/// Whether every fetched file is still there in its size; a folder of an earlier program has no list.
///
/// # Errors
/// `LibraryError::Damaged` that names the file.
pub(super) fn check_installed(folder: &Path) -> Result<(), LibraryError> {
    let stamp = folder.join(STAMP);
    let Ok(text) = fs::read(&stamp) else { return Ok(()) };
    let damaged = |path: PathBuf, message: String| LibraryError::Damaged { path, message };
    let list: Stamp =
        serde_json::from_slice(&text).map_err(|error| damaged(stamp.clone(), error.to_string()))?;
    if list.format_version != 1 || !list.wheel.ends_with(PINNED_VERSION) {
        return Err(damaged(stamp, format!("it lists `{}`", list.wheel)));
    }
    for file in list.files {
        let path = folder.join(&file.name);
        let size = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if size != file.size_bytes {
            return Err(damaged(path, format!("it has {size} bytes instead of {}", file.size_bytes)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(folder.path().join(name), name).unwrap();
        }
        folder
    }

    #[test]
    fn the_library_and_its_providers_are_kept_and_checked_afterwards() {
        let library = library_name();
        let from =
            fetched(&[&library, "libonnxruntime_providers_shared.so", "onnxruntime_pybind11_state.so"]);
        let to = tempfile::tempdir().unwrap();
        let stamp = stage(from.path(), to.path(), Build::Cpu).unwrap();
        assert_eq!(stamp.files.len(), 2);
        fs::write(to.path().join(STAMP), serde_json::to_vec(&stamp).unwrap()).unwrap();
        check_installed(to.path()).unwrap();
        fs::write(to.path().join(&library), "cut").unwrap();
        let message = check_installed(to.path()).unwrap_err().to_string();
        assert!(message.contains(&library) && message.contains("tiebreak setup"), "{message}");
    }

    #[test]
    fn a_wheel_without_the_cuda_provider_is_no_gpu_build() {
        let from = fetched(&[&library_name()]);
        let to = tempfile::tempdir().unwrap();
        let message = stage(from.path(), to.path(), Build::Gpu).unwrap_err().to_string();
        assert!(message.contains("onnxruntime-gpu") && message.contains("providers_"), "{message}");
    }
}

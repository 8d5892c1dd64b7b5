//! `tiebreak setup`: what has to be fetched.

use serde::Serialize;

use super::Console;
use crate::onnx;

/// Arguments of `tiebreak setup`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: tiebreak setup\n\nFetches the pinned ONNX Runtime library with pip; nothing is done when it is there."
)]
pub struct Args {
    /// The Python 3 whose pip fetches the library
    #[arg(long, default_value = "python3")]
    python: String,
}

#[derive(Serialize)]
struct Installed {
    library: std::path::PathBuf,
    version: &'static str,
}

/// Fetches ONNX Runtime.
///
/// # Errors
/// When pip fails or the library cannot be written.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let library = onnx::install_library(&args.python)?;
    let installed = Installed { library, version: onnx::PINNED_VERSION };
    console
        .result(&installed, || format!("ONNX Runtime {}: {}", installed.version, installed.library.display()))
}

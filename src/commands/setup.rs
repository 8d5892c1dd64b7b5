//! `tiebreak setup`: what has to be fetched.

use serde::Serialize;

use super::Console;
use crate::onnx::{self, Build};

/// Arguments of `tiebreak setup`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tiebreak setup
  tiebreak setup --gpu

Fetches the pinned ONNX Runtime library with pip; nothing is done when it is there. `tiebreak doctor` says afterwards
on which devices it works.")]
pub struct Args {
    /// The Python 3 whose pip fetches the library
    #[arg(long, default_value = "python3")]
    python: String,
    /// Fetch the build for NVIDIA devices (CUDA and `TensorRT`, 256 MB), which also runs on the processor; CUDA 13 and
    /// cuDNN 9 must be installed
    #[arg(long)]
    gpu: bool,
}

#[derive(Serialize)]
struct Installed {
    library: std::path::PathBuf,
    version: &'static str,
    wheel: String,
}

/// Fetches ONNX Runtime.
///
/// # Errors
/// When pip fails or the library cannot be written.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<()> {
    let build = if args.gpu { Build::Gpu } else { Build::Cpu };
    console.remark(&format!("fetching {}, if it is not there", build.wheel()));
    let library = onnx::install_build(&args.python, build)?;
    let installed = Installed { library, version: onnx::PINNED_VERSION, wheel: build.wheel() };
    console.result(&installed, || format!("{}: {}", installed.wheel, installed.library.display()))
}

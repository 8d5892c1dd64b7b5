//! `tiebreak doctor`: what is here.

use std::fmt::Write as _;

use serde::Serialize;

use super::Console;
use crate::onnx::{self, LibraryInfo};

/// Arguments of `tiebreak doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: tiebreak doctor")]
pub struct Args {}

#[derive(Serialize)]
struct Diagnosis {
    tiebreak: &'static str,
    platform: String,
    cores: usize,
    threads: usize,
    memory_bytes: Option<u64>,
    boosted: bool,
    onnx_runtime: Option<LibraryInfo>,
    onnx_runtime_problem: Option<String>,
    gpus: Vec<String>,
}

/// Says what is here.
///
/// # Errors
/// When standard output is closed.
pub fn run(_: &Args, console: &Console) -> anyhow::Result<()> {
    let library = onnx::find_library().and_then(|path| onnx::describe(&path));
    let problem = library.as_ref().err().map(ToString::to_string);
    let diagnosis = Diagnosis {
        tiebreak: env!("CARGO_PKG_VERSION"),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads: console.threads(),
        memory_bytes: memory_bytes(),
        boosted: cfg!(feature = "boosted"),
        onnx_runtime: library.ok(),
        onnx_runtime_problem: problem,
        gpus: nvidia_gpus(),
    };
    console.result(&diagnosis, || table(&diagnosis))
}

fn table(diagnosis: &Diagnosis) -> String {
    let mut text = String::new();
    let memory = diagnosis.memory_bytes.map_or_else(
        || "unknown".to_owned(),
        |bytes| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    );
    let boosted = if diagnosis.boosted { "yes" } else { "no; `make setup` builds it" };
    let _ = writeln!(text, "tiebreak      {} ({})", diagnosis.tiebreak, diagnosis.platform);
    let _ = writeln!(text, "cores         {}, {} used", diagnosis.cores, diagnosis.threads);
    let _ = writeln!(text, "memory        {memory}");
    let _ = writeln!(text, "LightGBM      {boosted}");
    match (&diagnosis.onnx_runtime, &diagnosis.onnx_runtime_problem) {
        (Some(library), _) => {
            let _ = writeln!(text, "ONNX Runtime  {}", library.path.display());
            let _ = writeln!(text, "  build       {}", library.build);
            let _ = writeln!(text, "  providers   {}", library.providers.join(", "));
        }
        (None, problem) => {
            let _ = writeln!(text, "ONNX Runtime  {}", problem.as_deref().unwrap_or("not found"));
        }
    }
    let gpus = if diagnosis.gpus.is_empty() { "none found".to_owned() } else { diagnosis.gpus.join("; ") };
    let _ = writeln!(text, "GPUs          {gpus}");
    text
}

/// All memory of the machine, where the system tells.
fn memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The NVIDIA devices that the driver lists.
fn nvidia_gpus() -> Vec<String> {
    let query = ["--query-gpu=name,memory.total", "--format=csv,noheader"];
    match std::process::Command::new("nvidia-smi").args(query).output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

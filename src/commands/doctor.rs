//! `tiebreak doctor`: what is here.

use std::fmt::Write as _;
use std::path::PathBuf;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use super::Console;
use crate::compute::Engine;
use crate::onnx::{self, DeviceKind, DeviceTrial, LibraryInfo};

/// Arguments of `tiebreak doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: tiebreak doctor

A session of a small model is opened on every device: that a provider is compiled in does not mean that it works.")]
pub struct Args {}

#[derive(Serialize)]
struct Diagnosis {
    tiebreak: &'static str,
    platform: String,
    cores: usize,
    threads: usize,
    memory_bytes: Option<u64>,
    boosted: bool,
    trains_on: String,
    onnx_runtime: Option<LibraryInfo>,
    onnx_runtime_problem: Option<String>,
    runtime_folder: PathBuf,
    gpus: Vec<String>,
    devices: Vec<DeviceTrial>,
}

/// Says what is here.
///
/// # Errors
/// When standard output is closed.
pub fn run(_: &Args, console: &Console) -> anyhow::Result<()> {
    let gpus = nvidia_gpus();
    // A process can load one library: the one that may find a GPU is the one to ask.
    let library = onnx::find_library_for(DeviceKind::Auto).and_then(|path| onnx::describe(&path));
    let mut problem = library.as_ref().err().map(ToString::to_string);
    let tried = library.as_ref().ok().map(|library| onnx::try_devices(library, gpus.len()));
    let devices = match tried.transpose() {
        Ok(devices) => devices.unwrap_or_default(),
        Err(error) => {
            problem = Some(error.to_string());
            Vec::new()
        }
    };
    let diagnosis = Diagnosis {
        tiebreak: env!("CARGO_PKG_VERSION"),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads: console.threads(),
        memory_bytes: memory_bytes(),
        boosted: cfg!(feature = "boosted"),
        trains_on: trains_on(),
        onnx_runtime: library.ok(),
        onnx_runtime_problem: problem,
        runtime_folder: onnx::runtime_root(),
        gpus,
        devices,
    };
    console.result(&diagnosis, || text(&diagnosis))
}

fn text(diagnosis: &Diagnosis) -> String {
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
    let _ = writeln!(text, "trains on     {}", diagnosis.trains_on);
    if let Some(library) = &diagnosis.onnx_runtime {
        let _ = writeln!(text, "ONNX Runtime  {}", library.path.display());
        let _ = writeln!(text, "  build       {}", library.build);
    }
    if let Some(problem) = &diagnosis.onnx_runtime_problem {
        let _ = writeln!(text, "ONNX Runtime  {problem}");
    }
    let gpus = if diagnosis.gpus.is_empty() { "none found".to_owned() } else { diagnosis.gpus.join("; ") };
    let _ = writeln!(text, "GPUs          {gpus}");
    if !diagnosis.devices.is_empty() {
        let _ = write!(text, "{}", table(&diagnosis.devices));
    }
    text
}

fn table(devices: &[DeviceTrial]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(110);
    table.set_header(["device", "provider", "compiled in", "opens", "nodes, or why not"]);
    let yes = |answer| if answer { "yes" } else { "no" };
    for trial in devices {
        let (compiled_in, opens) = (yes(trial.compiled_in), yes(trial.opens));
        table.add_row([&trial.device, &trial.provider, compiled_in, opens, &trial.detail]);
    }
    table
}

/// All memory of the machine, where the system tells.
fn memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Where a language model is trained if nobody says it.
fn trains_on() -> String {
    Engine::cuda(0).map_or_else(|why_not| format!("the processor: {why_not}"), |engine| engine.to_string())
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

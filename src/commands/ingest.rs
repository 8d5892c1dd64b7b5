use super::Console;

/// Arguments of `tiebreak ingest`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `tiebreak ingest`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<()> {
    anyhow::bail!("`ingest` is not built yet")
}

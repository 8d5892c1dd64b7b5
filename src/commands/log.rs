use super::Console;

/// Arguments of `tiebreak log`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `tiebreak log`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<()> {
    anyhow::bail!("`log` is not built yet")
}

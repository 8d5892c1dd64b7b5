use super::Console;

/// Arguments of `tiebreak train`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `tiebreak train`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<()> {
    anyhow::bail!("`train` is not built yet")
}

use super::Console;

/// Arguments of `tiebreak blend`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `tiebreak blend`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<()> {
    anyhow::bail!("`blend` is not built yet")
}

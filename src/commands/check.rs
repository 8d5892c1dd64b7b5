use super::Console;

/// Arguments of `tiebreak check`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `tiebreak check`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<()> {
    anyhow::bail!("`check` is not built yet")
}

use super::Console;

/// Arguments of `tiebreak predict`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `tiebreak predict`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<()> {
    anyhow::bail!("`predict` is not built yet")
}

use super::Console;

/// Arguments of `tiebreak doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `tiebreak doctor`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<()> {
    anyhow::bail!("`doctor` is not built yet")
}

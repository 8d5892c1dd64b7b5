use super::Console;

/// Arguments of `tiebreak calibrate`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `tiebreak calibrate`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<()> {
    anyhow::bail!("`calibrate` is not built yet")
}

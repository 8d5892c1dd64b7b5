use super::Console;

/// Arguments of `tiebreak submit`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `tiebreak submit`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<()> {
    anyhow::bail!("`submit` is not built yet")
}

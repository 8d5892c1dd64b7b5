use super::Console;

/// Arguments of `tiebreak score`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `tiebreak score`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<()> {
    anyhow::bail!("`score` is not built yet")
}

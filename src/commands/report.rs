use super::Console;

/// Arguments of `tiebreak report`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `tiebreak report`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<()> {
    anyhow::bail!("`report` is not built yet")
}

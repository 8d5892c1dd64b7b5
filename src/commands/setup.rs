use super::Console;

/// Arguments of `tiebreak setup`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `tiebreak setup`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<()> {
    anyhow::bail!("`setup` is not built yet")
}

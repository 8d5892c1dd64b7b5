use super::Console;

/// Arguments of `tiebreak split`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `tiebreak split`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<()> {
    anyhow::bail!("`split` is not built yet")
}

use super::Console;

/// Arguments of `tiebreak simulate`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `tiebreak simulate`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<()> {
    anyhow::bail!("`simulate` is not built yet")
}

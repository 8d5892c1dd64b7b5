use super::Console;

/// Arguments of `tiebreak audit`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `tiebreak audit`.
///
/// # Errors
/// When the input is wrong or the work fails.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<()> {
    anyhow::bail!("`audit` is not built yet")
}

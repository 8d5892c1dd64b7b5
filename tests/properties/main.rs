//! What must hold for any input: symmetry, determinism, groups, and readers that never panic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::assigning_clones,
    clippy::format_push_string,
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    reason = "test code: what cannot be made must fail the test, and brevity reads better than speed"
)]

mod audit;
mod calibrators;
mod cascades;
mod damaged_files;
mod encoding;
mod features;
mod linear;
mod metrics;
mod simulation;
mod sources;
mod splits;
mod submissions;
mod ties;

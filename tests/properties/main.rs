//! What must hold for any input: symmetry, determinism, groups, and readers that never panic.

mod audit;
mod calibrators;
mod damaged_files;
mod features;
mod metrics;
mod simulation;
mod sources;
mod splits;
mod submissions;
mod ties;

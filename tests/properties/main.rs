//! See each file.
mod audit;
mod splits;

mod submissions;
mod features;
mod splits;
mod calibrators;
mod damaged_files;
mod metrics;
mod sources;
mod features;
mod simulation;
mod ties;

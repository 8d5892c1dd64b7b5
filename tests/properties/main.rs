//! See each file.
mod audit;
mod splits;

mod submissions;
mod features;
mod splits;
mod damaged_files;
mod sources;
mod features;
mod simulation;
mod ties;

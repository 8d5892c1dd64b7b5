//! See each file.
mod audit;
mod splits;

mod submissions;
mod sources;
mod features;

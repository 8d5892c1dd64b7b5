//! See each file.
mod splits;

mod submissions;
mod sources;
mod features;

//! See each file.
mod audit;
mod splits;

mod submissions;
mod damaged_files;
mod sources;
mod features;

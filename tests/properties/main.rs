//! See each file.
mod audit;
mod features;
mod splits;
mod damaged_files;
mod sources;

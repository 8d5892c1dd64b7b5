//! See each file.
mod audit;
mod splits;
mod features;

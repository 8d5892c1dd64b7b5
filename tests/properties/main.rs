//! See each file.
mod audit;
mod features;
mod splits;

//! See each file.
mod splits;
mod features;

//! See each file.
mod splits;

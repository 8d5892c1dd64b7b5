//! See each file.
mod features;
mod linear;
mod splits;

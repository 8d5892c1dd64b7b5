//! See each file.
mod splits;

mod submissions;

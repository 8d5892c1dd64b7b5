//! See each file.
mod simulate;

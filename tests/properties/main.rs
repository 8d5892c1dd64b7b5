//! See each file.
mod sources;

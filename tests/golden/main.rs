//! See each file.
mod ties;

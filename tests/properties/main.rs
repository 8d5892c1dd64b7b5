//! See each file.
mod simulation;
mod ties;

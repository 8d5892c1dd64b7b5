//! See each file.

mod check;
mod log;
mod audit;
mod split;
mod ingest;
mod simulate;

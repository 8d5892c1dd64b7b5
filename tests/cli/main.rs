//! See each file.

mod check;
mod log;
mod ingest;

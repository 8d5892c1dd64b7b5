//! See each file.

mod check;
mod ingest;
mod log;
mod report;

//! See each file.

mod check;
mod ingest;
mod log;
mod report;
mod blend;
mod calibrate;
mod ingest;
mod score;
mod workshop;

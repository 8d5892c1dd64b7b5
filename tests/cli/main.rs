//! See each file.

mod blend;
mod calibrate;
mod check;
mod ingest;
mod log;
mod report;
mod score;
mod workshop;

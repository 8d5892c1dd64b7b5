//! See each file.

mod check;
mod log;
mod audit;
mod split;
mod ingest;
mod simulate;
mod blend;
mod calibrate;
mod ingest;
mod score;
mod workshop;
mod ingest;
mod log;
mod report;

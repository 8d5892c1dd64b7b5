//! The real binary, one file a command.

mod audit;
mod blend;
mod calibrate;
mod check;
mod ingest;
mod log;
mod pipeline;
mod report;
mod score;
mod simulate;
mod split;
mod workshop;

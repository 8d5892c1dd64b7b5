//! The real binary, one file a command.

mod audit;
//! See each file.

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
mod ingest;
mod split;
mod workshop;

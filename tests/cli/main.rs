//! See each file.
mod blend;
mod calibrate;
mod ingest;
mod score;
mod workshop;

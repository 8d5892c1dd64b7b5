//! See each file.
mod audit;
mod ingest;
mod split;

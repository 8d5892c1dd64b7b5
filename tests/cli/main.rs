//! See each file.
mod audit;
mod split;
mod ingest;

//! See each file.
mod ingest;

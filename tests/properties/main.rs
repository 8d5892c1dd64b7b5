//! See each file.
mod calibrators;
mod damaged_files;
mod metrics;
mod sources;

//! See each file.

mod submissions;
mod calibrators;
mod damaged_files;
mod metrics;
mod sources;

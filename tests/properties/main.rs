//! See each file.
mod damaged_files;
mod sources;

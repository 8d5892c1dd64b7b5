//! See each file.
mod features;

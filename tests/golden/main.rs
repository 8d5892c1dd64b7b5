//! See each file.

//! See each file.

mod submissions;

//! What a command does, as functions: each takes values and a `Progress`, returns values, and knows no terminal.
//!
//! The command line, and later a Python module and a server, parse what a person asked for, call one function of
//! this room, and show what it returns.

mod error;

pub use error::{Error, OrFailed};

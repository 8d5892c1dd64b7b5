//! The real binary, one file a command.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::assigning_clones,
    clippy::format_push_string,
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    reason = "test code: what cannot be made must fail the test, and brevity reads better than speed"
)]

mod audit;
mod blend;
mod calibrate;
mod cascade;
mod check;
mod doctor;
mod encode;
mod finetune;
mod from_scratch;
mod import;
mod ingest;
mod judge;
mod language_model;
mod log;
mod low_bits;
#[path = "../models/mod.rs"]
mod model_folders;
mod models;
mod narrow_base;
mod pipeline;
mod pseudo;
mod report;
mod score;
mod simulate;
mod split;
mod verify;
mod workshop;

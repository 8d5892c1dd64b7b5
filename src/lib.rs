//! Human preference prediction: battles of two model responses in, P(A wins), P(B wins), P(tie) out.
//!
//! A folder is a stage of the pipeline, a file is a variant, `mod.rs` is the contract.

pub mod ancestry;
pub mod architectures;
pub mod audit;
pub mod battle;
pub mod calibrators;
pub mod checkpoint;
pub mod cli;
pub mod commands;
pub mod compute;
pub mod config;
pub mod encoding;
pub mod evaluation;
pub mod features;
pub mod files;
pub mod finetune;
pub mod learning;
pub mod manifest;
pub mod metrics;
pub mod onnx;
pub mod pipeline;
pub mod predictors;
pub mod progress;
pub mod recipes;
pub mod reports;
pub mod run_dir;
pub mod shipped;
pub mod simulation;
pub mod sources;
pub mod splits;
pub mod submissions;
pub mod tables;
pub mod ties;
pub mod validation;

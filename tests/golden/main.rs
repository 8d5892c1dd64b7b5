//! Numbers of reference programs: each `.json` was printed by the `.py` beside it.

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

mod adapters;
mod calibrators;
mod checkpoints;
mod checkpoints_cases;
mod checkpoints_faults;
mod checkpoints_layers;
mod checkpoints_minilm;
mod encoding;
mod finetune;
mod finetune_average;
mod finetune_export;
mod finetune_minilm;
mod finetune_narrow;
mod finetune_tensors;
mod left_padding;
mod low_bits;
mod metrics;
mod softmax;
mod tfidf;
mod ties;

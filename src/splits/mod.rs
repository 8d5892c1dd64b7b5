//! Folds and hold-outs grouped by normalised prompt and session, stratified, seeded, or read from a file.
